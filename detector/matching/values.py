"""Tests of single values, compiled to functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import groupby
from typing import Any

from detector.instant import instant_ns, utc_of
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
from detector.rules.patterns import compile_pattern, wildcard_pattern

ScalarTest = Callable[[Any], bool]
"""Takes one scalar, never a list."""

_LONGEST_INT = 10**4_300
"""Python writes no longer integers; no source sends any, and no rule can mean one."""

_HALVES = re.compile("[\ud800-\udfff]")

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
"""A number as text: neither hexadecimal nor with leading zeros, which are labels."""

_MAX_NUMBER = 40
"""Characters of a number."""

_MAX_ADDRESS = 64
"""Characters of an address: 45 of a mapped one, and the name of an interface after a percent sign."""

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
    "eq": lambda value, bound: value == bound,
    "neq": lambda value, bound: value != bound,
}


def text_of(value: object) -> str | None:
    """Write a scalar as text; None for null, what is no scalar, and integers of thousands of digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if -_LONGEST_INT < value < _LONGEST_INT else None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return None


def fold(text: str) -> str:
    """Fold case, character by character: the final sigma is a sigma, and the long s an s, as for RE2.

    Each character gives one, so that a wildcard counts alike before and after; the dotted capital I is an i.
    """
    if text.isascii():
        return text.lower()
    return text.replace("\u0130", "i").lower().replace("\u03c2", "\u03c3").replace("\u017f", "s")


def scalar_test(test: ValueTest) -> ScalarTest:
    """Compile a test of one value. Tests about presence or other fields are the evaluator's."""
    match test:
        case TextTest():
            return text_test(test)
        case NumberTest(number):
            return _affix_test(fold(text_of(number) or ""), starts=False, ends=False, read=_folded)
        case BoolTest(wanted):
            return _affix_test("true" if wanted else "false", starts=False, ends=False, read=_folded)
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
    read = text_of if test.cased else _folded
    parts = tuple(part if test.cased or not isinstance(part, str) else fold(part) for part in test.parts)
    if not anchored:
        parts = (None, *parts, None)
    if () in parts:
        return _search_test(wildcard_pattern(parts), read)
    runs = ["".join(map(str, run)) for is_run, run in groupby(parts, lambda part: part is not None) if is_run]
    starts, ends = bool(parts) and parts[0] is None, bool(parts) and parts[-1] is None
    if not runs and parts:
        return lambda value: text_of(value) is not None
    if len(runs) > 1:
        return _sequence_test(runs, starts=starts, ends=ends, read=read)
    return _affix_test(runs[0] if runs else "", starts=starts, ends=ends, read=read)


def regex_test(pattern: str) -> ScalarTest:
    """Compile a regular expression; found anywhere."""
    return _search_test(pattern, text_of)


def _search_test(pattern: str, read: Callable[[Any], str | None]) -> ScalarTest:
    search = compile_pattern(pattern).search

    def found(value: object) -> bool:
        text = read(value)
        try:
            return text is not None and search(text) is not None
        except UnicodeEncodeError:  # half a surrogate pair is no character; RE2 takes characters only
            return search(_HALVES.sub("\ufffd", text or "")) is not None

    return found


def _affix_test(literal: str, *, starts: bool, ends: bool, read: Callable[[Any], str | None]) -> ScalarTest:
    if starts and ends:
        return lambda value: (text := read(value)) is not None and literal in text
    if starts:
        return lambda value: (text := read(value)) is not None and text.endswith(literal)
    if ends:
        return lambda value: (text := read(value)) is not None and text.startswith(literal)
    return lambda value: read(value) == literal


def _sequence_test(runs: Sequence[str], *, starts: bool, ends: bool, read: Callable[[Any], str | None]) -> ScalarTest:
    """Test for texts one after another with anything between; the first place for each is as good as any."""
    first, last = "" if starts else runs[0], "" if ends else runs[-1]
    between = runs[not starts : len(runs) - (not ends)]

    def holds(value: object) -> bool:
        text = read(value)
        if text is None or not (text.startswith(first) and text.endswith(last)):
            return False
        at, end = len(first), len(text) - len(last)
        for run in between:
            at = text.find(run, at, end)
            if at < 0:
                return False
            at += len(run)
        return at <= end

    return holds


def _folded(value: object) -> str | None:
    text = text_of(value)
    return None if text is None else fold(text)


def _compare_test(threshold: Threshold, part: Part | None) -> ScalarTest:
    compare = _COMPARE[threshold.operator]
    bound = threshold.value

    def holds(value: object) -> bool:
        number = _number(value) if part is None else _timestamp_part(value, part)
        return number is not None and compare(number, bound)

    return holds


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and len(value) <= _MAX_NUMBER and (found := _NUMBER.fullmatch(value)):
        return float(value) if found[2] or found[3] else int(value)
    return None


def _timestamp_part(value: object, part: Part) -> float | None:
    if part == "instant":
        time_ns = instant_ns(value)
        return None if time_ns is None else time_ns / 10**9
    stamp = utc_of(value)
    if stamp is None:
        return None
    return stamp.isocalendar().week if part == "week" else getattr(stamp, part)


@lru_cache(maxsize=8_192)  # of at most 64 characters each: 2 MiB
def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A v4 client of a v6 socket is the same client.
    return getattr(address, "ipv4_mapped", None) or address


def _address(value: object) -> IPv4Address | IPv6Address | None:
    return _parse_address(value) if isinstance(value, str) and len(value) <= _MAX_ADDRESS else None
