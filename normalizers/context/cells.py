"""Reads one cell of a context table; every refusal says what was found and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from ipaddress import ip_address, ip_network
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from normalizers.errors import BadTimestampError
from normalizers.timestamps import parse_iso8601

Cell = str | tuple[str, ...]
"""A cell as the file holds it: text, or a list (YAML, JSON)."""

CellValue = str | int | float | bool | tuple[str, ...]
"""A cell as a row holds it; only what JSON and msgpack can carry."""

Reader = Callable[[Cell], CellValue]
"""Reads a non-empty cell; raises ValueError with ``what; what instead``."""

MAX_CELL = 65_536
"""Longest cell in characters: a list of some thousand addresses; more is a mistake in quoting."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_ZONED = re.compile(r"(?:[Zz]|[+-]\d{2}(?::?\d{2})?)\s*$")
_CLOCK = re.compile(r"(?P<hour>\d{1,2}):(?P<minute>\d{2})", re.ASCII)
_MAC = re.compile(r"[0-9a-f]{12}", re.ASCII)


def text(cell: Cell) -> str:
    """Read plain text."""
    if isinstance(cell, tuple):
        raise ValueError("is a list; write one value")  # noqa: TRY004  the readers' one error type
    if len(cell) > MAX_CELL:
        raise ValueError(f"has {len(cell)} characters; at most {MAX_CELL}")
    return cell.strip()


def texts(cell: Cell) -> tuple[str, ...]:
    """Read a list: ``a;b`` in CSV, a sequence elsewhere. Order is kept, repeats are dropped."""
    parts = cell if isinstance(cell, tuple) else text(cell).split(";")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def lower_texts(cell: Cell) -> tuple[str, ...]:
    """Read a list whose entries are compared without case."""
    return tuple(dict.fromkeys(part.lower() for part in texts(cell)))


def one_of(*words: str) -> Reader:
    """Make a reader of one of a few words."""

    def read(cell: Cell) -> str:
        word = text(cell).lower()
        if word not in words:
            raise ValueError(f"{_short(word)} is not known; use one of {', '.join(words)}")
        return word

    return read


def flag(cell: Cell) -> bool:
    """Read ``true`` or ``false``."""
    word = text(cell).lower()
    if word not in {"true", "false"}:
        raise ValueError(f"{_short(word)} is not true or false")
    return word == "true"


def instant(cell: Cell) -> int:
    """Read an ISO 8601 time with its zone, to UTC nanoseconds."""
    written = text(cell)
    if "T" not in written.upper() or not _ZONED.search(written.upper().partition("T")[2]):
        raise ValueError(f"{_short(written)} names no time zone; write for example 2026-10-20T03:10:00+02:00")
    try:
        return parse_iso8601(written)
    except BadTimestampError as error:
        raise ValueError(f"{_short(written)} is not a time; write for example 2026-10-20T03:10:00+02:00") from error


def zone_name(cell: Cell) -> str:
    """Read an IANA time zone."""
    name = text(cell)
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{_short(name)} is not an IANA time zone such as Europe/Berlin") from error
    return name


def addresses(cell: Cell) -> tuple[str, ...]:
    """Read IP addresses, in their canonical form."""
    found = list[str]()
    for part in texts(cell):
        try:
            found.append(str(ip_address(part)))
        except ValueError as error:
            raise ValueError(f"{_short(part)} is not an IP address such as 10.20.0.5") from error
    return tuple(found)


def networks(cell: Cell) -> tuple[str, ...]:
    """Read networks in CIDR form; a single address is a network of one."""
    found = list[str]()
    for part in texts(cell):
        try:
            found.append(str(ip_network(part)))
        except ValueError as error:
            raise ValueError(_network_advice(part)) from error
    return tuple(found)


def hardware_addresses(cell: Cell) -> tuple[str, ...]:
    """Read MAC addresses in any of the usual forms, to ECS form (``00-00-5E-00-53-23``)."""
    found = list[str]()
    for part in texts(cell):
        digits = part.lower().replace(":", "").replace("-", "").replace(".", "")
        if not _MAC.fullmatch(digits):
            raise ValueError(f"{_short(part)} is not a MAC address such as 00-00-5E-00-53-23")
        found.append("-".join(digits[i : i + 2] for i in range(0, 12, 2)).upper())
    return tuple(found)


def ports(cell: Cell) -> tuple[str, ...]:
    """Read ports and ranges: ``443;8000-8010``."""
    for part in texts(cell):
        first, dash, last = part.partition("-")
        ends = (first, last if dash else first)
        if not all(end.isascii() and end.isdigit() and int(end) <= 65_535 for end in ends) or int(ends[0]) > int(
            ends[1]
        ):
            raise ValueError(f"{_short(part)} is not a port or a range such as 443 or 8000-8010")
    return texts(cell)


def ways(cell: Cell) -> tuple[str, ...]:
    """Read the ways from a place: ``plant-b=9000;a-store=90``, each with the least seconds that a person needs."""
    for part in texts(cell):
        place, _, seconds = part.rpartition("=")
        if not place.strip() or not re.fullmatch(r"[0-9]{1,7}", seconds.strip()) or "|" in place:
            raise ValueError(f"{_short(part)} is not a place and the least seconds to it such as plant-b=9000")
    return texts(cell)


def wall_clock(cell: Cell) -> int:
    """Read ``HH:MM`` to minutes after midnight; ``24:00`` is the end of the day."""
    written = text(cell)
    found = _CLOCK.fullmatch(written)
    minutes = int(found["hour"]) * 60 + int(found["minute"]) if found else -1
    if found is None or int(found["minute"]) > 59 or minutes > 24 * 60:
        raise ValueError(f"{_short(written)} is not a time of day such as 07:30")
    return minutes


def weekdays(cell: Cell) -> tuple[str, ...]:
    """Read days of the week: ``mon;tue``."""
    days = lower_texts(cell)
    for day in days:
        if day not in DAYS:
            raise ValueError(f"{_short(day)} is not a day; use {';'.join(DAYS)}")
    return days


def dates(cell: Cell) -> tuple[str, ...]:
    """Read calendar days: ``2026-12-25;2027-01-01``."""
    for part in texts(cell):
        try:
            date.fromisoformat(part)
        except ValueError as error:
            raise ValueError(f"{_short(part)} is not a date such as 2026-12-25") from error
    return texts(cell)


def number(low: float, high: float) -> Reader:
    """Make a reader of a number within bounds."""

    def read(cell: Cell) -> float:
        written = text(cell)
        try:
            value = float(written)
        except ValueError as error:
            raise ValueError(f"{_short(written)} is not a number") from error
        if not low <= value <= high:
            raise ValueError(f"{_short(written)} is not between {low:g} and {high:g}")
        return value

    return read


def whole(low: int, high: int) -> Reader:
    """Make a reader of a whole number within bounds."""

    def read(cell: Cell) -> int:
        written = text(cell)
        if not re.fullmatch(r"-?[0-9]{1,12}", written) or not low <= int(written) <= high:
            raise ValueError(f"{_short(written)} is not a whole number between {low} and {high}")
        return int(written)

    return read


def _short(word: str) -> str:
    return repr(word if len(word) <= 80 else word[:77] + "...")


def _network_advice(part: str) -> str:
    try:
        meant = ip_network(part, strict=False)
    except ValueError:
        return f"{_short(part)} is not a network such as 10.20.0.0/16"
    return f"{_short(part)} has host bits set; write {meant}"
