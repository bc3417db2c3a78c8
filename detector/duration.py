"""Durations as people write them: ``10s``, ``5m``, ``250ms``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_PATTERN = re.compile(r"(?P<number>\d{1,12}(?:\.\d{1,9})?)\s*(?P<unit>ms|s|m|h|d|w)")
_UNIT_NS = {
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3_600 * 10**9,
    "d": 86_400 * 10**9,
    "w": 604_800 * 10**9,
}


class Duration(int):
    """A length of time in nanoseconds, written ``<number><ms|s|m|h|d|w>`` in settings; may start with ``-``."""


def parse_duration(text: str) -> Duration:
    """Read a duration.

    Raises:
        ValueError: Not a number with one of the units.
    """
    sign = -1 if text.strip().startswith("-") else 1
    found = _PATTERN.fullmatch(text.strip().lstrip("+-"))
    if found is None:
        raise ValueError(f"{text!r} is not a duration; write one such as 250ms, 10s, 5m, 2h or 7d")
    return Duration(sign * round(float(found["number"]) * _UNIT_NS[found["unit"]]))


def decode_duration(kind: type, value: Any) -> Any:  # noqa: ANN401  the shape of a msgspec dec_hook
    """Decode `Duration` and `Path` fields; to be given to msgspec as `dec_hook`."""
    if kind is Duration:
        if isinstance(value, str):
            return parse_duration(value)
        raise ValueError(f"{value!r} has no unit; write for example {value}s")
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(kind)
