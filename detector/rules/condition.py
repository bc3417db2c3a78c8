"""The condition tree: the only form of a detection that evaluators read."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Literal

import msgspec

Operator = Literal["gt", "gte", "lt", "lte", "eq", "neq"]
Part = Literal["minute", "hour", "day", "week", "month", "year", "instant"]
"""Of a timestamp in UTC; "instant" is all of it, as seconds since 1970."""

TIME_FIELD = "@timestamp"
"""Where an event's own time stands."""

if TYPE_CHECKING:
    Network = IPv4Network | IPv6Network
else:

    class Network(ABC):  # noqa: B024  only to be registered with
        """An address range of either family: msgspec takes one foreign class in a place, not two."""

    Network.register(IPv4Network)
    Network.register(IPv6Network)


class _Node(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A part of a tree, as the compiled cache writes it: its kind, then its fields. No tree holds itself."""


class TextTest(_Node, frozen=True):
    """A text with wildcards: literals between runs.

    Attributes:
        parts: Literals; None stands for any run of characters, "?" wildcards are one empty tuple each.
        cased: Case counts.
    """

    parts: tuple[str | tuple[()] | None, ...]
    cased: bool = False


class NumberTest(_Node, frozen=True):
    """Equal to a number, or to its decimal text."""

    number: int | float


class BoolTest(_Node, frozen=True):
    """Equal to a boolean, or to its word."""

    value: bool


class NullTest(_Node, frozen=True):
    """Missing, null, or a list of nothing else; an empty text is a value."""


class ExistsTest(_Node, frozen=True):
    """Present, whatever the value."""

    present: bool


class RegexTest(_Node, frozen=True):
    """Found anywhere by RE2."""

    pattern: str


class CidrTest(_Node, frozen=True):
    """An address inside a network."""

    network: Network


class CompareTest(_Node, frozen=True):
    """A number beyond a bound; with a part, that part of a timestamp in UTC."""

    operator: Operator
    number: int | float
    part: Part | None = None


class FieldRefTest(_Node, frozen=True):
    """Equal to another field, or beginning or ending with it (both: containing it)."""

    field_path: str
    starts: bool = False
    ends: bool = False
    cased: bool = False


ValueTest = TextTest | NumberTest | BoolTest | NullTest | ExistsTest | RegexTest | CidrTest | CompareTest | FieldRefTest


class FieldTest(_Node, frozen=True):
    """One field against one value; a list passes when any member does."""

    field_path: str
    test: ValueTest


class KeywordTest(_Node, frozen=True):
    """Any value of the event against a text, unanchored, or a regular expression."""

    test: TextTest | NumberTest | RegexTest


class And(_Node, frozen=True):
    """All of them."""

    parts: tuple[Condition, ...]


class Or(_Node, frozen=True):
    """Any of them."""

    parts: tuple[Condition, ...]


class Not(_Node, frozen=True):
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
