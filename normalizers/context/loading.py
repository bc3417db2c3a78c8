"""Reads the files of a context folder into rows of cells, each with its place."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from normalizers.context.cells import Cell
from normalizers.errors import ContextFault

MAX_FILE_BYTES = 64 << 20
"""A table is read whole; a million rows fit."""

MAX_ROWS = 1_000_000
"""More rows in one file are taken for a mistake."""

SUFFIXES = (".csv", ".yaml", ".yml", ".json")


class CellRow(msgspec.Struct):
    """One row of a file before its cells are read.

    Attributes:
        line: Line in a CSV or YAML file, position of the object in a JSON file; from 1.
        cells: By column name; empty cells are left out.
    """

    line: int
    cells: dict[str, Cell]


class RowSource(msgspec.Struct, frozen=True):
    """Rows of one file.

    Attributes:
        path: The file.
        header: Columns that the file names, with the line where they stand.
        rows: Its rows.
        faults: What is wrong with the form of the file; filled while reading.
    """

    path: Path
    header: dict[str, int]
    rows: list[CellRow]
    faults: list[ContextFault]


class _Refusal(Exception):  # noqa: N818  never leaves this module
    def __init__(self, line: int, column: str, what: str, instead: str = "") -> None:
        super().__init__(what)
        self.facts = (line, column, what, instead)


def read_file(path: Path, faults: list[ContextFault]) -> RowSource | None:
    """Read one file; what is wrong with its form is added to `faults`.

    Returns:
        None when nothing of it could be read.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_FILE_BYTES else None
    except OSError as error:
        faults.append(ContextFault(str(path), 0, "", f"cannot be read: {error.strerror}"))
        return None
    if data is None:
        faults.append(ContextFault(str(path), 0, "", f"is larger than {MAX_FILE_BYTES >> 20} MiB"))
        return None
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        faults.append(ContextFault(str(path), line, "", "is not UTF-8", "save the file as UTF-8"))
        return None
    source = RowSource(path, {}, [], faults)
    try:
        _READERS[path.suffix.lower()](content, source)
    except _Refusal as refusal:
        faults.append(ContextFault(str(path), *refusal.facts))
    return source


def _add_row(source: RowSource, line: int, read: Callable[..., dict[str, Cell]], *arguments: object) -> None:
    """Read one row's cells; a fault in it does not hide those of the rows after it."""
    if len(source.rows) >= MAX_ROWS:
        raise _Refusal(line, "", f"has more than {MAX_ROWS} rows")
    try:
        source.rows.append(CellRow(line, read(*arguments)))
    except _Refusal as refusal:
        source.faults.append(ContextFault(str(source.path), *refusal.facts))


def _read_csv(content: str, source: RowSource) -> None:
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        names = _csv_header(reader, source)
        for values in reader:
            if any(value.strip() for value in values) and not values[0].lstrip().startswith("#"):
                _add_row(source, reader.line_num, _csv_cells, names, values, reader.line_num)
    except csv.Error as error:
        raise _Refusal(reader.line_num, "", f"is not CSV: {error}", "quote cells that hold commas or quotes") from error


def _csv_header(reader: Any, source: RowSource) -> list[str]:  # noqa: ANN401  csv's reader has no public type
    for values in reader:
        if any(value.strip() for value in values) and not values[0].lstrip().startswith("#"):
            names = [value.strip() for value in values]
            for name in names:
                if name in source.header:
                    raise _Refusal(reader.line_num, name, "column is named twice")
                source.header[name] = reader.line_num
            return names
    raise _Refusal(1, "", "is empty", "write at least the header row")


def _csv_cells(names: list[str], values: list[str], line: int) -> dict[str, Cell]:
    if len(values) > len(names):
        raise _Refusal(
            line, "", f"has {len(values)} cells for {len(names)} columns", "quote cells that hold commas; lists use ';'"
        )
    return {name: value for name, value in zip(names, values, strict=False) if value.strip()}


def _read_yaml(content: str, source: RowSource) -> None:
    try:
        # Composing keeps every scalar as written (18:00 stays text) and knows lines and repeated keys.
        node = yaml.compose(content, Loader=yaml.CBaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", -1) + 1
        raise _Refusal(line, "", f"is not YAML: {getattr(error, 'problem', None) or error}") from error
    if node is None:
        return
    if not isinstance(node, yaml.SequenceNode):
        raise _Refusal(1, "", "is not a list of rows", "write one '- column: value' block a row")
    for item in node.value:
        _add_row(source, item.start_mark.line + 1, _yaml_cells, item, source.header)


def _yaml_cells(item: yaml.Node, header: dict[str, int]) -> dict[str, Cell]:
    if not isinstance(item, yaml.MappingNode):
        raise _Refusal(item.start_mark.line + 1, "", "is not a row", "write '- column: value'")
    found = dict[str, Cell]()
    for name_node, value_node in item.value:
        name, line = str(name_node.value), name_node.start_mark.line + 1
        if name in found:
            raise _Refusal(line, name, "column is given twice in one row")
        header.setdefault(name, line)
        cell = _yaml_cell(value_node, name)
        if cell:
            found[name] = cell
    return found


def _yaml_cell(node: yaml.Node, name: str) -> Cell:
    if isinstance(node, yaml.ScalarNode):
        return "" if not node.style and node.value in {"null", "~"} else str(node.value)
    if isinstance(node, yaml.SequenceNode) and all(isinstance(part, yaml.ScalarNode) for part in node.value):
        return tuple(str(part.value) for part in node.value)
    raise _Refusal(node.start_mark.line + 1, name, "is neither a value nor a list of values")


def _read_json(content: str, source: RowSource) -> None:
    try:
        # Numbers stay as written: a badge number 00123 is text, 1e3 is a fault of the column's reader.
        items = json.loads(content, parse_int=str, parse_float=str, object_pairs_hook=_pairs)
    except (ValueError, RecursionError) as error:
        raise _Refusal(getattr(error, "lineno", 0), "", f"is not JSON: {error}") from error
    if not isinstance(items, list):
        raise _Refusal(1, "", "is not a list of rows", "write [{...}, {...}]")
    for position, item in enumerate(items, start=1):
        _add_row(source, position, _json_cells, item, position, source.header)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object's members in order, repeats included."""


def _pairs(members: list[tuple[str, Any]]) -> _Pairs:
    return _Pairs(members)


def _json_cells(item: object, position: int, header: dict[str, int]) -> dict[str, Cell]:
    if not isinstance(item, _Pairs):
        raise _Refusal(position, "", "is not a row", "write an object with one member a column")
    found = dict[str, Cell]()
    for name, value in item:
        if name in found:
            raise _Refusal(position, name, "column is given twice in one row")
        header.setdefault(name, position)
        cell = _json_cell(value, name, position)
        if cell:
            found[name] = cell
    return found


def _json_cell(value: object, name: str, position: int) -> Cell:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, list) and not isinstance(value, _Pairs) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise _Refusal(position, name, "is neither a value nor a list of texts")


_READERS: dict[str, Callable[[str, RowSource], None]] = {
    ".csv": _read_csv,
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".json": _read_json,
}


def table_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that look like tables, in order of name."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith("."):
            yield path
