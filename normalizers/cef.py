"""ArcSight Common Event Format, revision 25: header, extension and the times it may carry.

``<14>Jan 6 20:59:02 sensor CEF:0|Tenable|Tenable OT Security|3.17|30|Code upload|3|rt=Jan 06 2026 20:59:02 src=::1``
"""

from __future__ import annotations

import re
from itertools import zip_longest
from zoneinfo import ZoneInfo

import msgspec

from normalizers.errors import BadTimestampError, MalformedRecordError
from normalizers.source import UTC
from normalizers.syslog import parse_syslog
from normalizers.timestamps import from_epoch, parse_iso8601, parse_pattern

MAX_BYTES = 256_000
MAX_KEYS = 500

_KEY = re.compile(r"(?:^|\s)([A-Za-z_][\w.\[\]-]{0,63})=")
_PATTERNS = ("%b %d %Y %H:%M:%S", "%b %d %Y %H:%M:%S %Z", "%b %d %Y %H:%M:%S.%f", "%m/%d/%Y %H:%M:%S")


class CefMessage(msgspec.Struct, frozen=True):
    """One message; custom fields stand under their labels as well."""

    vendor: str
    product: str
    version: str
    signature: str
    name: str
    severity: str
    extension: dict[str, str]
    time_ns: int
    host: str | None


def parse_cef(value: bytes, received_ns: int, zone: ZoneInfo = UTC) -> CefMessage:
    """Read a message with or without a syslog header.

    Raises:
        MalformedRecordError: Not seven header fields.
        BadTimestampError: Neither `rt`, `end` nor `start` nor the syslog header tells the time.
    """
    if len(value) > MAX_BYTES:
        raise MalformedRecordError(f"is larger than {MAX_BYTES} bytes")
    content = value.decode("utf-8", "replace").lstrip("\ufeff").strip()
    start = content.find("CEF:")
    if start < 0:
        raise MalformedRecordError("has no CEF: header")
    parts = re.split(r"(?<!\\)(?:\\\\)*\|", content[start:], maxsplit=7)
    if len(parts) < 7:
        raise MalformedRecordError("CEF header has fewer than seven fields")
    header = [part.replace("\\|", "|").replace("\\\\", "\\") for part in parts[1:7]]
    extension = _extension(parts[7] if len(parts) > 7 else "")
    envelope = parse_syslog(value, received_ns, zone) if start > 0 else None
    time_ns = _time(extension, zone)
    if time_ns is None:
        time_ns = envelope.time_ns if envelope is not None else None
    if time_ns is None:
        raise BadTimestampError(extension.get("rt", ""), "a CEF time in rt, end or start, nor is there a syslog header")
    vendor, product, version, signature, name, severity = header
    return CefMessage(
        vendor=vendor,
        product=product,
        version=version,
        signature=signature,
        name=name,
        severity=severity,
        extension=extension,
        time_ns=time_ns,
        host=None if envelope is None else envelope.host,
    )


def _extension(content: str) -> dict[str, str]:
    """Split ``key=value`` pairs; a value runs, spaces and all, to the next key."""
    marks = [mark for mark in _KEY.finditer(content) if content[mark.end(1) - 1 : mark.end(1)] != "\\"][:MAX_KEYS]
    values = dict[str, str]()
    for mark, following in zip_longest(marks, marks[1:]):
        raw = content[mark.end() : following.start() if following is not None else len(content)]
        values[mark[1]] = raw.replace("\\=", "=").replace("\\n", "\n").replace("\\\\", "\\").strip()
    for key in [key for key in values if key.endswith("Label")]:
        custom = values.get(key.removesuffix("Label"))
        if custom is not None and values[key]:
            values.setdefault(re.sub(r"\W+", "_", values[key])[:64], custom)
    return values


def _time(extension: dict[str, str], zone: ZoneInfo) -> int | None:
    for key in ("rt", "end", "start"):
        stamp = extension.get(key)
        if stamp is None:
            continue
        if stamp.isdigit():
            return from_epoch(int(stamp), "ms")
        if stamp[:4].isdigit():
            return parse_iso8601(stamp, zone)
        for pattern in _PATTERNS:
            try:
                return parse_pattern(stamp, pattern, zone)
            except BadTimestampError:
                continue
        raise BadTimestampError(stamp, "a CEF time")
    return None
