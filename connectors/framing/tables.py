"""Tables in text: CSV with a header, and Zeek's tab-separated logs. Each row becomes a JSON object of strings."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

MAX_COLUMNS = 512
"""A report has some dozen; a header with more is not a table."""

_SNIFFED = (",", ";", "\t", "|")


class CsvLayout(msgspec.Struct, frozen=True):
    """How a CSV file is written.

    Attributes:
        delimiter: Found in the header when None.
        encoding: A Python codec.
        header: Column names when the file has no header row.
    """

    delimiter: str | None = None
    encoding: str = "utf-8-sig"
    header: tuple[str, ...] | None = None


def cut_csv(data: BinaryIO, layout: CsvLayout, max_line_bytes: int) -> Iterator[tuple[bytes, int, str | None]]:
    """Cut CSV into rows.

    Args:
        data: The file.
        layout: How it is written.
        max_line_bytes: Longest field and row.

    Yields:
        (JSON object, row number from 1, None) or (text, row number, reason). Row numbers serve as positions:
        a quoted field may hold line breaks, so bytes cannot.
    """
    try:
        codec = codecs.lookup(layout.encoding)
    except LookupError:
        yield b"", 0, f"encoding {layout.encoding!r} is not known; use utf-8, cp1252 or another Python codec"
        return
    text = io.TextIOWrapper(data, encoding=codec.name, errors="replace", newline="")
    try:
        first = text.readline(max_line_bytes)
        delimiter = layout.delimiter or max(_SNIFFED, key=first.count)
        lines = _bounded(text, first, max_line_bytes)
        csv.field_size_limit(max_line_bytes)
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        yield from _rows(rows, layout.header)
    finally:
        text.detach()  # the file is the caller's to close


def _rows(rows: Iterator[list[str]], header: tuple[str, ...] | None) -> Iterator[tuple[bytes, int, str | None]]:
    names = header
    number = 0
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            yield b"", number, f"row {number}: {error}"
            continue
        number += 1
        if names is None:
            names = tuple(name.strip() for name in row)
            if fault := _header_fault(names):
                yield ",".join(row).encode()[: 64 << 10], number, fault
                return
        elif any(row):
            yield _row(names, row, number)


def _row(names: tuple[str, ...], row: list[str], number: int) -> tuple[bytes, int, str | None]:
    if len(row) != len(names):
        reason = f"row {number}: {len(row)} columns where the header has {len(names)}"
        return ",".join(row).encode()[: 64 << 10], number, reason
    return msgspec.json.encode(dict(zip(names, row, strict=True))), number, None


def _header_fault(names: tuple[str, ...]) -> str | None:
    if len(names) > MAX_COLUMNS:
        return f"row 1: {len(names)} columns; a header has at most {MAX_COLUMNS}"
    if len(set(names)) != len(names):
        return "row 1: a column name occurs twice"
    if "" in names:
        return f"row 1: column {names.index('') + 1} has no name"
    return None


def _bounded(text: io.TextIOWrapper, first: str, max_line_bytes: int) -> Iterator[str]:
    """Yield lines, each at most so long: an endless line would otherwise be read into memory whole."""
    yield first
    while line := text.readline(max_line_bytes):
        yield line


class ZeekTsvReader:
    """Turns the lines of a Zeek log into JSON objects of strings; remembers the header.

    References:
        Zeek manual, "Log Files": ``#separator``, ``#set_separator``, ``#unset_field``, ``#fields``, ``#path``.
    """

    def __init__(self) -> None:
        self._names: list[str] | None = None
        self._path = ""

    def read(self, line: bytes) -> tuple[bytes, str | None] | None:
        """Read one line.

        Returns:
            (JSON object with unset fields left out and ``_path`` from ``#path``, None), or (line, reason), or
            None for a header line.
        """
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if text.startswith("#"):
            directive, *values = text.split("\t")
            if directive == "#fields":
                self._names = values[:MAX_COLUMNS]
            elif directive == "#path":
                self._path = values[0] if values else ""
            return None
        return self._row(text) if text else None

    def _row(self, text: str) -> tuple[bytes, str | None]:
        values = text.split("\t")
        if self._names is None:
            return text.encode()[: 64 << 10], "a row before the #fields header"
        if len(values) != len(self._names):
            return text.encode()[: 64 << 10], f"{len(values)} columns where #fields has {len(self._names)}"
        pairs = zip(self._names, values, strict=True)
        row = {name: "" if value == "(empty)" else value for name, value in pairs if value != "-"}
        if self._path:
            row["_path"] = self._path
        return msgspec.json.encode(row), None


def cut_zeek_tsv(data: BinaryIO, max_line_bytes: int) -> Iterator[tuple[bytes, int, str | None]]:
    """Cut a Zeek log into rows: (JSON object, end in bytes, None) or (line, end, reason with its line)."""
    reader = ZeekTsvReader()
    position = 0
    number = 0
    while line := data.readline(max_line_bytes):
        number += 1
        position += len(line)
        if (read := reader.read(line)) is not None:
            value, reason = read
            yield value, position, reason and f"line {number}: {reason}"
