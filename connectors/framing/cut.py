"""Cutting a file into documents, with its framing found by content."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Literal

import msgspec

from connectors.errors import ConnectorSettingsError
from connectors.framing.tables import CsvLayout, cut_csv, cut_zeek_tsv

Framing = Literal["lines", "ndjson", "json", "csv", "zeek_tsv", "xml"]
FRAMINGS = ("lines", "ndjson", "json", "csv", "zeek_tsv", "xml")

MAX_WHOLE_BYTES = 64 << 20
"""JSON arrays and XML files are read whole; a larger one has to come as lines."""

_PEEK = 64 << 10
_raw_items = msgspec.json.Decoder(list[msgspec.Raw])


class Cut(msgspec.Struct, frozen=True):
    """One document cut out of an input.

    Attributes:
        value: The document, or the beginning of what was rejected.
        end: Bytes of the input up to and including it.
        rejected: Why it cannot be a document; None when it can.
    """

    value: bytes
    end: int
    rejected: str | None = None


class FrameOptions(msgspec.Struct, frozen=True):
    """How to cut.

    Attributes:
        framing: Found by content when None.
        max_line_bytes: Longer lines are rejected.
        csv: Layout of CSV.
        start: Offset in the input at which `data` begins, for resumed files.
    """

    framing: Framing | None = None
    max_line_bytes: int = 10 << 20
    csv: CsvLayout = CsvLayout()
    start: int = 0


def open_plain(data: io.BufferedReader) -> io.BufferedReader:
    """Unpack gzip when the content is gzip; positions then count unpacked bytes."""
    head = data.peek(2)[:2]
    if head == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=data))
    return data


def cut_file(data: io.BufferedReader, options: FrameOptions = FrameOptions()) -> Iterator[Cut]:  # noqa: B008  frozen, no state
    """Cut an input into documents.

    Args:
        data: Opened for reading, at its beginning (or a line's, for line framings).
        options: How to cut.

    Yields:
        Documents in order, and rejections with place and reason; a rejection never ends the input unless the
        rest cannot be told apart.
    """
    plain = open_plain(data)
    framing = options.framing or detect_framing(plain.peek(_PEEK)[:_PEEK])
    try:
        if framing in ("lines", "ndjson"):
            yield from _cut_lines(plain, options)
        elif framing == "csv":
            for value, end, rejected in cut_csv(plain, options.csv, options.max_line_bytes):
                yield Cut(value, end, rejected)
        elif framing == "zeek_tsv":
            for value, end, rejected in cut_zeek_tsv(plain, options.max_line_bytes):
                yield Cut(value, end, rejected)
        elif framing in ("json", "xml"):
            yield from _cut_whole(plain, framing)
        else:
            raise ConnectorSettingsError(f"framing {framing!r} is none of {', '.join(FRAMINGS)}")
    except (EOFError, OSError, zlib.error) as error:
        yield Cut(b"", options.start, f"the file ends early or is damaged: {error}")


def detect_framing(head: bytes) -> Framing:
    """Tell the framing from the first bytes of an input."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"["):
        return "json"
    if text.startswith(b"{"):
        first = text.split(b"\n", 1)[0].rstrip()
        return "ndjson" if first.endswith(b"}") else "json"
    if text.startswith((b"#separator", b"#fields")):
        return "zeek_tsv"
    if text.startswith((b"<?xml", b"<tt:", b"<wsnt:", b"<SOAP-ENV:", b"<soap", b"<EventNotification", b"<Event")):
        return "xml"
    return "csv" if _looks_like_csv(text) else "lines"


def _looks_like_csv(text: bytes) -> bool:
    """A header of three or more short names, then a row with as many delimiters."""
    lines = text.split(b"\n", 2)
    if len(lines) < 2:
        return False
    for delimiter in (b",", b";", b"\t"):
        names = [name.strip(b' "\r') for name in lines[0].split(delimiter)]
        named = all(name and len(name) <= 64 and not any(c in b"<>=[]{}:" for c in name) for name in names)
        if len(names) >= 3 and named and lines[1].count(delimiter) >= len(names) - 1:
            return True
    return False


def _cut_lines(data: BinaryIO, options: FrameOptions) -> Iterator[Cut]:
    position = options.start
    number = 0
    while line := data.readline(options.max_line_bytes + 1):
        number += 1
        position += len(line)
        if len(line) > options.max_line_bytes and not line.endswith(b"\n"):
            while rest := data.readline(1 << 20):
                position += len(rest)
                if rest.endswith(b"\n"):
                    break
            reason = f"line {number}: longer than {options.max_line_bytes} bytes"
            yield Cut(line[: 64 << 10], position, reason)
        elif value := line.strip(b"\r\n"):
            yield Cut(value, position)


def _cut_whole(data: BinaryIO, framing: str) -> Iterator[Cut]:
    content = data.read(MAX_WHOLE_BYTES + 1)
    if len(content) > MAX_WHOLE_BYTES:
        yield Cut(content[: 64 << 10], len(content), f"a {framing} file above {MAX_WHOLE_BYTES} bytes; send lines")
    elif framing == "xml":
        yield Cut(content.strip(), len(content))
    else:
        yield from cut_json(content)


def cut_json(content: bytes) -> Iterator[Cut]:
    """Cut a JSON text: an array into its items, anything else whole. Positions are the item's number, from 1."""
    body = content.strip(b"\xef\xbb\xbf \t\r\n")
    if not body.startswith(b"["):
        yield Cut(body, 1)
        return
    try:
        items = _raw_items.decode(body)
    except msgspec.DecodeError as error:
        yield Cut(body[: 64 << 10], 1, f"not a JSON array: {error}")
        return
    for number, item in enumerate(items, start=1):
        yield Cut(bytes(item), number)
