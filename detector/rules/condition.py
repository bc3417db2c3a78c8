"""The condition tree: the only form of a detection that evaluators read."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

import msgspec

from detector.rules.model import Operator

Part = Literal["minute", "hour", "day", "week", "month", "year", "instant"]
"""Of a timestamp in UTC; "instant" is all of it, as seconds since 1970."""

TIME_FIELD = "@timestamp"
"""Where an event's own time stands."""


class TextTest(msgspec.Struct, frozen=True):
    """A text with wildcards: literals between runs.

    Attributes:
        parts: Literals; None stands for any run of characters, "?" wildcards are one empty tuple each.
        cased: Case counts.
    """

    parts: tuple[str | tuple[()] | None, ...]
    cased: bool = False


class NumberTest(msgspec.Struct, frozen=True):
    """Equal to a number, or to its decimal text."""

    number: float


class BoolTest(msgspec.Struct, frozen=True):
    """Equal to a boolean, or to its word."""

    value: bool


class NullTest(msgspec.Struct, frozen=True):
    """Missing, null or an empty list; an empty text is a value."""


class ExistsTest(msgspec.Struct, frozen=True):
    """Present, whatever the value."""

    present: bool


class RegexTest(msgspec.Struct, frozen=True):
    """Found anywhere by RE2."""

    pattern: str


class CidrTest(msgspec.Struct, frozen=True):
    """An address inside a network."""

    network: IPv4Network | IPv6Network


class CompareTest(msgspec.Struct, frozen=True):
    """A number beyond a bound; with a part, that part of a timestamp in UTC."""

    operator: Operator
    number: float
    part: Part | None = None


class FieldRefTest(msgspec.Struct, frozen=True):
    """Equal to another field, or beginning or ending with it (both: containing it)."""

    field_path: str
    starts: bool = False
    ends: bool = False
    cased: bool = False


ValueTest = TextTest | NumberTest | BoolTest | NullTest | ExistsTest | RegexTest | CidrTest | CompareTest | FieldRefTest


class FieldTest(msgspec.Struct, frozen=True):
    """One field against one value; a list passes when any member does."""

    field_path: str
    test: ValueTest


class KeywordTest(msgspec.Struct, frozen=True):
    """Any value of the event against a text, unanchored, or a regular expression."""

    test: TextTest | NumberTest | RegexTest


class And(msgspec.Struct, frozen=True):
    """All of them."""

    parts: tuple[Condition, ...]


class Or(msgspec.Struct, frozen=True):
    """Any of them."""

    parts: tuple[Condition, ...]


class Not(msgspec.Struct, frozen=True):
    """The opposite: two-valued, so true of a missing field."""

    part: Condition


Condition = And | Or | Not | FieldTest | KeywordTest


def within(condition: Condition, from_ns: int | None, to_ns: int | None) -> Condition:
    """Return a condition that holds only from one time (inclusive) to another (exclusive); None is no bound."""
    bounds = [since(from_ns)] if from_ns is not None else []
    bounds += [FieldTest(TIME_FIELD, CompareTest("lt", to_ns / 10**9, "instant"))] if to_ns is not None else []
    return And((condition, *bounds)) if bounds else condition


def since(time_ns: int) -> Condition:
    """Return a condition that holds from a time on, by the event's clock; never for an event without a time."""
    return FieldTest(TIME_FIELD, CompareTest("gte", time_ns / 10**9, "instant"))


def field_paths(condition: Condition) -> Iterator[str]:
    """Yield every field that a condition reads."""
    match condition:
        case And(parts) | Or(parts):
            for part in parts:
                yield from field_paths(part)
        case Not(part):
            yield from field_paths(part)
        case FieldTest(path, test):
            yield path
            if isinstance(test, FieldRefTest):
                yield test.field_path
        case KeywordTest():
            pass
