"""The script of a day: records with the time at which they happened and the channel they come through."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from string import Template
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from detector.duration import parse_duration

PLANT = Path(__file__).parent / "plant"
SKEW_NS = {"turnstile": -180 * 10**9}
"""Channels whose device stamps wrongly, and by how much."""


class Repeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Several records of one shape: a number of them, or one for each word."""

    items: int | list[str]
    every: str


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the script."""

    at: str
    through: str
    body: Any
    delay: str = "0s"
    repeat: Repeat | None = None


class Day(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole script."""

    date: date
    zone: str
    records: list[Entry]


class Truth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One alert that the day must raise.

    Attributes:
        code: The rule's code.
        level: Its level.
        about: Words of its sentence.
        group: Name of the story it belongs to; alerts of one story share a `group_id`.
    """

    code: str
    level: str
    about: str
    group: str


class Sending(msgspec.Struct, frozen=True, order=True):
    """One record on its way.

    Attributes:
        sent_ns: When it is sent.
        channel: How.
        body: What.
    """

    sent_ns: int
    channel: str
    body: bytes


def load_day(path: Path = PLANT / "day.yml") -> list[Sending]:
    """Read the script and fill in its stamps."""
    day = msgspec.yaml.decode(path.read_bytes(), type=Day)
    zone = ZoneInfo(day.zone)
    return [sending for entry in day.records for sending in _sendings(day, zone, entry)]


def load_truth(path: Path = PLANT / "truth.yml") -> list[Truth]:
    """Read what the day must raise."""
    return msgspec.yaml.decode(path.read_bytes(), type=list[Truth])


def midnight_ns(path: Path = PLANT / "day.yml") -> int:
    """Return the start of the day in UTC nanoseconds."""
    day = msgspec.yaml.decode(path.read_bytes(), type=Day)
    return _ns(datetime(day.date.year, day.date.month, day.date.day, tzinfo=ZoneInfo(day.zone)))


def stamps(time_ns: int, zone: ZoneInfo) -> dict[str, str]:
    """Return one moment in every layout that records of the day use."""
    moment = datetime.fromtimestamp(time_ns / 1e9, UTC)
    there = moment.astimezone(zone)
    return {
        "utc": moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z",
        "utc_plain": moment.strftime("%Y-%m-%d %H:%M:%S"),
        "local": there.strftime("%Y-%m-%d %H:%M:%S"),
        "bsd": there.strftime("%b ") + f"{there.day:>2}" + there.strftime(" %H:%M:%S"),
        "abbr": moment.astimezone(ZoneInfo("Europe/Lisbon")).strftime("%Y-%m-%d %H:%M:%S %Z"),
        "ms": str(time_ns // 10**6),
        "s": f"{time_ns / 1e9:.6f}",
    }


def _sendings(day: Day, zone: ZoneInfo, entry: Entry) -> list[Sending]:
    hour, minute, second = map(int, entry.at.split(":"))
    start = datetime(day.date.year, day.date.month, day.date.day, hour, minute, second, tzinfo=zone)
    items: list[Any] = [None]
    every_ns = 0
    if entry.repeat is not None:
        items = list(range(entry.repeat.items)) if isinstance(entry.repeat.items, int) else entry.repeat.items
        every_ns = int(parse_duration(entry.repeat.every))
    sendings = list[Sending]()
    for number, item in enumerate(items):
        time_ns = _ns(start) + number * every_ns
        words = stamps(time_ns + SKEW_NS.get(entry.through, 0), zone) | {"n": f"{number + 1:03d}", "item": str(item)}
        body = entry.body if isinstance(entry.body, str) else json.dumps(entry.body, separators=(",", ":"))
        sendings.append(
            Sending(
                time_ns + int(parse_duration(entry.delay)), entry.through, Template(body).substitute(words).encode()
            )
        )
    return sendings


def _ns(moment: datetime) -> int:
    return int((moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)) * 10**9
