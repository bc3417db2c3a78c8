"""Tests of single values, compiled to functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

import re2  # type: ignore[import-untyped]  # google-re2 has no stubs

from detector.rules.condition import (
    BoolTest,
    CidrTest,
    CompareTest,
    NumberTest,
    Part,
    RegexTest,
    TextTest,
    ValueTest,
)
from detector.rules.model import Threshold

MISSING: Final = object()
"""What a lookup gives for a field that is not there, as against one that is null."""

ScalarTest = Callable[[Any], bool]
"""Takes one scalar, never a list."""

MAX_TEXT = 1_000_000
"""Characters of a value that are looked at."""

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
    "eq": lambda value, bound: value == bound,
    "neq": lambda value, bound: value != bound,
}


def text_of(value: object) -> str | None:
    """Write a scalar as text; None for null and what is no scalar."""
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return None


def scalar_test(test: ValueTest) -> ScalarTest:
    """Compile a test of one value. Tests about presence or other fields are the evaluator's."""
    match test:
        case TextTest():
            return text_test(test)
        case NumberTest(number):
            wanted = text_of(number)
            return lambda value: not isinstance(value, bool) and (value in (number, wanted))
        case BoolTest(wanted_bool):
            word = "true" if wanted_bool else "false"
            return lambda value: value is wanted_bool or (isinstance(value, str) and value.lower() == word)
        case RegexTest(pattern):
            return regex_test(pattern)
        case CidrTest(network):
            return lambda value: (address := _address(value)) is not None and address in network
        case CompareTest(operator, number, part):
            return _compare_test(Threshold(operator, number), part)
        case _:
            raise TypeError(f"{type(test).__name__} is not a test of one value")


def text_test(test: TextTest, *, anchored: bool = True) -> ScalarTest:
    """Compile a text with wildcards; unanchored for keywords."""
    parts = test.parts
    if not anchored:
        parts = (None, *parts, None)
    literals = [part for part in parts if isinstance(part, str)]
    if () in parts or any(part is None for part in parts[1:-1]) or len(literals) > 1:
        return regex_test(_pattern(parts, cased=test.cased))
    literal = literals[0] if literals else ""
    starts, ends = bool(parts) and parts[0] is None, bool(parts) and parts[-1] is None
    if not literals and parts:
        return lambda value: text_of(value) is not None
    if test.cased:
        return _affix_test(literal, starts, ends, text_of)
    return _affix_test(literal.lower(), starts, ends, _lowered)


def regex_test(pattern: str) -> ScalarTest:
    """Compile a regular expression; found anywhere."""
    search = re2.compile(pattern).search

    def found(value: object) -> bool:
        text = text_of(value)
        return text is not None and search(text) is not None

    return found


def _affix_test(literal: str, starts: bool, ends: bool, read: Callable[[Any], str | None]) -> ScalarTest:
    if starts and ends:
        return lambda value: (text := read(value)) is not None and literal in text
    if starts:
        return lambda value: (text := read(value)) is not None and text.endswith(literal)
    if ends:
        return lambda value: (text := read(value)) is not None and text.startswith(literal)
    return lambda value: read(value) == literal


def _lowered(value: object) -> str | None:
    text = text_of(value)
    return None if text is None else text.lower()


def _pattern(parts: tuple[str | tuple[()] | None, ...], *, cased: bool) -> str:
    body = "".join(".*" if part is None else "." if part == () else re2.escape(str(part)) for part in parts)
    return rf"(?s{'' if cased else 'i'})\A{body}\z"


def _compare_test(threshold: Threshold, part: Part | None) -> ScalarTest:
    compare = _COMPARE[threshold.operator]
    bound = threshold.value

    def holds(value: object) -> bool:
        number = _number(value) if part is None else _timestamp_part(value, part)
        return number is not None and compare(number, bound)

    return holds


def _number(value: object) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and len(value) < 40:
        try:
            return float(value)
        except ValueError:
            return None
    return None


def _timestamp_part(value: object, part: Part) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        stamp = datetime.fromisoformat(value[:40])
    except ValueError:
        return None
    stamp = stamp.replace(tzinfo=UTC) if stamp.tzinfo is None else stamp.astimezone(UTC)
    return stamp.isocalendar().week if part == "week" else getattr(stamp, part)


@lru_cache(maxsize=65_536)
def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A v4 client of a v6 socket is the same client.
    return getattr(address, "ipv4_mapped", None) or address


def _address(value: object) -> IPv4Address | IPv6Address | None:
    return _parse_address(value) if isinstance(value, str) and len(value) <= 45 else None
