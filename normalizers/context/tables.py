"""Loads a folder of context tables: CSV, YAML or JSON, the file's stem is the table's name."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from normalizers.context.columns import TABLES, Column, Table
from normalizers.context.loading import SUFFIXES, CellRow, RowSource, read_file, table_files
from normalizers.context.references import PlacedRow, check_references
from normalizers.context.rows import ALWAYS_KNOWN, ContextRows
from normalizers.errors import ContextErrors, ContextFault


def load_context(folder: Path) -> list[ContextRows]:
    """Read and check all tables of a folder.

    Args:
        folder: Holds files such as ``people.csv``; a table may be missing, and then nothing is known of it.

    Returns:
        One entry a table, known always, each the whole table; in the order of `TABLES`.

    Raises:
        ContextErrors: Anything is wrong anywhere; carries every fault.
    """
    rows, faults = read_context(folder)
    if faults:
        raise ContextErrors(faults)
    return [
        ContextRows(name, ALWAYS_KNOWN, tuple(msgspec.to_builtins(placed.row) for placed in rows[name]), replace=True)
        for name in TABLES
        if name in rows
    ]


def read_context(folder: Path) -> tuple[dict[str, list[PlacedRow]], list[ContextFault]]:
    """Read and check all tables of a folder.

    Returns:
        The rows that could be read, by table, and every fault.
    """
    faults = list[ContextFault]()
    rows = dict[str, list[PlacedRow]]()
    try:
        paths = list(table_files(folder))
    except OSError as error:
        return {}, [ContextFault(str(folder), 0, "", f"cannot be read: {error.strerror}")]
    for path in paths:
        _read_table(path, rows, faults)
    check_references(rows, faults)
    faults.sort(key=lambda fault: (fault.path, fault.row))
    return rows, faults


def _read_table(path: Path, rows: dict[str, list[PlacedRow]], faults: list[ContextFault]) -> None:
    table = TABLES.get(path.stem)
    if table is None:
        faults.append(ContextFault(str(path), 0, "", f"is no table; {_known(path.stem, list(TABLES))}"))
        return
    if path.stem in rows:
        faults.append(ContextFault(str(path), 0, "", "is a second file of this table", f"keep one of {SUFFIXES}"))
        return
    read = rows[path.stem] = []
    source = read_file(path, faults)
    if source is None:
        return
    _check_header(source, table, faults)
    for row in source.rows:
        placed = _read_row(source, table, row, faults)
        if placed is not None:
            read.append(placed)


def _check_header(source: RowSource, table: Table, faults: list[ContextFault]) -> None:
    path = str(source.path)
    for name, line in source.header.items():
        if name not in table.columns:
            faults.append(ContextFault(path, line, name, "is no column", _known(name, list(table.columns))))
    # Without rows of its own a YAML or JSON file has no header to check.
    if source.header:
        faults.extend(
            ContextFault(path, 0, name, "column is missing", "add it; it is required")
            for name, column in table.columns.items()
            if column.required and name not in source.header
        )


def _read_row(source: RowSource, table: Table, row: CellRow, faults: list[ContextFault]) -> PlacedRow | None:
    values = dict[str, Any]()
    before = len(faults)
    for name, column in table.columns.items():
        cell = row.cells.get(name)
        if cell is not None:
            _read_cell(source, row, column, values, faults)
        elif column.required and name in source.header:
            faults.append(ContextFault(str(source.path), row.line, name, "is empty", "it is required"))
    if len(faults) > before:
        # What names the row is kept, so that other tables' references to it are not reported as well.
        values = {name: value for name, value in values.items() if name in (*table.key, "valid_from_ns", "valid_to_ns")}
    try:
        return PlacedRow(str(source.path), row.line, table.row(**values))
    except TypeError:
        return None  # what names the row is missing, and that is reported already


def _read_cell(
    source: RowSource, row: CellRow, column: Column, values: dict[str, Any], faults: list[ContextFault]
) -> None:
    try:
        values[column.attribute] = column.read(row.cells[column.name])
    except ValueError as error:
        what, _, instead = str(error).partition("; ")
        faults.append(ContextFault(str(source.path), row.line, column.name, what, instead))


def _known(name: str, names: list[str]) -> str:
    close = get_close_matches(name, names, 1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"
