"""What a device's clock showed between a question and its answer, as a poller saw it."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

import msgspec

NS = 10**9
MAX_NS = 60 * NS
"""An answer that took longer says too little."""

_HEADER = re.compile(
    r"""
    (?P<asked>[0-9.]{1,21})[ ]+     # seconds since 1970, by the poller's clock
    (?P<answered>[0-9.]{1,21})[ ]+
    (?P<date>[A-Za-z]{3},[ ][0-9A-Za-z: ]{20,24})
    """,
    re.VERBOSE,
)
_SECONDS = re.compile(r"(?P<whole>[0-9]{1,10})(?:\.(?P<part>[0-9]{1,9}))?")


class RoundTrip(msgspec.Struct, frozen=True, array_like=True):
    """One question to a device, and its answer.

    Attributes:
        asked_ns: When it was asked: UTC nanoseconds of the collector's trusted clock.
        answered_ns: When the answer had come, by the same clock.
        device_ns: What the device's clock showed in between: UTC nanoseconds, cut to its cell.
        cell_ns: Cell of that; a second in HTTP.
    """

    asked_ns: int
    answered_ns: int
    device_ns: int
    cell_ns: int = NS

    def __post_init__(self) -> None:
        """Refuse what is none.

        Raises:
            ValueError: The answer came before the question or too late, or a number is out of range.
        """
        if not 0 <= self.answered_ns - self.asked_ns <= MAX_NS:
            raise ValueError(f"a round trip takes 0 to {MAX_NS // NS} s")
        if not (0 < self.cell_ns <= MAX_NS and 0 <= self.asked_ns < 2**63 and abs(self.device_ns) < 2**63):
            raise ValueError("is no round trip")


_decoder = msgspec.json.Decoder(RoundTrip)


def encode_round_trip(trip: RoundTrip | None) -> bytes | None:
    """Write a round trip for a log."""
    return None if trip is None else msgspec.json.encode(trip)


def decode_round_trip(stored: bytes | None) -> RoundTrip | None:
    """Read it back.

    Raises:
        ValueError: It is damaged.
    """
    try:
        return None if stored is None else _decoder.decode(stored)
    except msgspec.DecodeError as error:
        raise ValueError(f"is no round trip: {error}") from error


def parse_round_trip(header: str) -> RoundTrip:
    """Read what a poller says: `1792483200.25 1792483200.31 Tue, 20 Oct 2026 08:00:00 GMT`.

    Args:
        header: When it asked and when the answer had come, in seconds since 1970, then the answer's `Date`.

    Raises:
        ValueError: It is none.

    References:
        RFC 9110, sections 5.6.7 (dates, whole seconds) and 6.6.1 (Date).
    """
    found = _HEADER.fullmatch(header.strip())
    if found is None:
        raise ValueError("give two times in seconds since 1970, then a date as in Tue, 20 Oct 2026 08:00:00 GMT")
    date = parsedate_to_datetime(found["date"])
    if date.tzinfo is None or date.utcoffset():
        raise ValueError(f"{found['date']!r} is not in GMT")
    return RoundTrip(_ns(found["asked"]), _ns(found["answered"]), round(date.timestamp()) * NS)


def _ns(seconds: str) -> int:
    found = _SECONDS.fullmatch(seconds)
    if found is None:
        raise ValueError(f"{seconds!r} is no number of seconds")
    return int(found["whole"]) * NS + int((found["part"] or "").ljust(9, "0"))
