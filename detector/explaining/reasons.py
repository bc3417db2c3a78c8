"""Why one test does not hold for one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Any, NamedTuple

from detector.explaining.model import Reason
from detector.explaining.wording import shortened
from detector.matching.values import fold, regex_test, scalar_test, text_of, text_test
from detector.rules.condition import (
    BoolTest,
    CidrTest,
    CompareTest,
    ExistsTest,
    FieldRefTest,
    NullTest,
    NumberTest,
    RegexTest,
    TextTest,
    ValueTest,
)


class Cause(NamedTuple):
    """A reason and the clause that says it; the nearest causes have the highest rank."""

    rank: int
    reason: Reason
    why: str


def cause_of(test: ValueTest, value: Any) -> Cause:  # noqa: ANN401  any value of an event
    """Return why a test does not hold for a value that is there: no missing field, no null, no empty list."""
    if isinstance(value, list):
        return _cause_in_list(test, value)
    if isinstance(value, Mapping):
        return Cause(0, "type", "an object, not a value; name one of its fields")
    if isinstance(test, NullTest):
        return Cause(1, "present", "a value, not null" if value != "" else "an empty text, which is not null")
    if isinstance(test, ExistsTest):
        return Cause(1, "present", "present, and must not be")
    if value == "":
        return Cause(1, "empty", "an empty text")
    return _CAUSES[type(test)](test, value)


def _cause_in_list(test: ValueTest, value: list[Any]) -> Cause:
    members = [each for each in value[:_MAX_MEMBERS] if each is not None]
    if not members:
        return Cause(1, "null", "nothing but nulls")
    if isinstance(test, NullTest | ExistsTest):
        return Cause(1, "present", "present, and must not be")
    if len(value) == 1:
        return cause_of(test, members[0])
    near = max((cause_of(test, each) for each in members), key=lambda cause: cause.rank)
    nearest = f"; the nearest: {near.why}" if near.rank > _FAR else ""
    return Cause(near.rank, "list", f"none of its {len(value)} members fits{nearest}")


def _text_cause(test: TextTest, value: Any) -> Cause:  # noqa: ANN401
    text = text_of(value)
    if text is None:
        return Cause(0, "type", "not a text")
    for rank, reason, change, why in _CHANGES:
        changed = change(test, text)
        if changed is not None and text_test(changed[0])(changed[1]):
            return Cause(rank, reason, why)
    return _literal_cause(test, text)


def _literal_cause(test: TextTest, text: str) -> Cause:
    """Look for the literals of a test elsewhere in the text."""
    literals = [part for part in test.parts if isinstance(part, str)]
    if literals and text_test(TextTest((None, *test.parts, None)))(text):
        if test.parts[0] is None:
            return Cause(6, "place", "contains it, but not at the end")
        if test.parts[-1] is None:
            return Cause(6, "place", "contains it, but not at the start")
        return Cause(6, "more", "contains it, with more around")
    name = _last_piece(literals[-1]) if literals else ""
    if len(name) >= _SHORTEST_PIECE and fold(name) in fold(text):
        return Cause(5, "place", f"contains only its end, '{shortened(name)}'")
    if literals and len(text) >= _SHORTEST_PIECE and fold(text) in fold(literals[0]):
        return Cause(5, "other", "only a part of it")
    return Cause(_FAR, "other", "another value")


def _number_cause(test: NumberTest | BoolTest, value: Any) -> Cause:  # noqa: ANN401
    if isinstance(value, str):
        if scalar_test(test)(value.strip()):
            return Cause(8, "whitespace", "differs only in spaces around it")
        if isinstance(test, NumberTest) and _from_hex(value) == test.number:
            return Cause(
                7, "type", "the same number in hexadecimal, which is compared as text: write it so in the rule"
            )
        if isinstance(test, NumberTest) and _is_number(value) and float(value) == test.number:
            return Cause(7, "type", "the same number written otherwise, and texts are compared as they stand")
        return Cause(_FAR, "type" if not _is_number(value) else "other", _other_text(value))
    return Cause(_FAR, "other", "another value")


def _other_text(value: str) -> str:
    return "another number" if _is_number(value) else "a text that is no such number or word"


def _regex_cause(test: RegexTest, value: Any) -> Cause:  # noqa: ANN401
    text = text_of(value)
    if text is None:
        return Cause(0, "type", "not a text")
    if regex_test(f"(?i){test.pattern}")(text):
        return Cause(9, "case", "found only without regard to case: add the modifier `i`")
    if regex_test(f"(?s){test.pattern}")(text):
        return Cause(8, "not_found", "found only when the dot takes line breaks: add the modifier `s`")
    return Cause(_FAR, "not_found", "the pattern is nowhere in it")


def _cidr_cause(test: CidrTest, value: Any) -> Cause:  # noqa: ANN401
    if isinstance(value, str) and scalar_test(test)(_host_part(value)):
        return Cause(8, "type", "not an address alone, though the address in it lies inside")
    is_v6 = isinstance(value, str) and value.count(":") > 1
    if isinstance(value, str) and _is_address(value):
        family = is_v6 == (test.network.version == 6)
        return Cause(2, "outside", "an address outside" if family else "of the other address family")
    return Cause(1, "type", "not an address")


def _compare_cause(test: CompareTest, value: Any) -> Cause:  # noqa: ANN401
    if any(scalar_test(CompareTest(each, 0.0, test.part))(value) for each in ("lt", "gte")):
        return Cause(
            2, "outside", "beyond the bound" if test.part in {None, "instant"} else f"another {test.part} in UTC"
        )
    if test.part is not None:
        return Cause(1, "type", "not a timestamp in ISO 8601")
    return Cause(1, "type", "not a number")


def _reference_cause(test: FieldRefTest, value: Any) -> Cause:  # noqa: ANN401, ARG001  the caller knows the other field
    return Cause(1, "reference", f"does not fit {test.field_path}")


_CAUSES: Mapping[type, Callable[[Any, Any], Cause]] = {
    TextTest: _text_cause,
    NumberTest: _number_cause,
    BoolTest: _number_cause,
    RegexTest: _regex_cause,
    CidrTest: _cidr_cause,
    CompareTest: _compare_cause,
    FieldRefTest: _reference_cause,
}

_FAR = 2
"""Rank up to which a value is simply another one."""

_EVERY_4, _EVERY_6 = ip_network("0.0.0.0/0"), ip_network("::/0")
_MAX_MEMBERS = 100
_SHORTEST_PIECE = 3
"""Shorter pieces of a value are everywhere."""


def _last_piece(literal: str) -> str:
    return literal.replace("/", "\\").rstrip("\\").rpartition("\\")[2]


Change = Callable[[TextTest, str], tuple[TextTest, str] | None]

_CHANGES: tuple[tuple[int, Reason, Change, str], ...] = (
    (
        9,
        "case",
        lambda test, text: (TextTest(test.parts), text) if test.cased else None,
        "differs only in case, and `cased` minds it",
    ),
    (
        8,
        "whitespace",
        lambda test, text: (test, text.strip()) if text != text.strip() else None,
        "differs only in spaces around it",
    ),
    (
        8,
        "whitespace",
        lambda test, text: (test, " ".join(text.split())) if text != " ".join(text.split()) else None,
        "differs only in how many spaces it has",
    ),
    (
        7,
        "slashes",
        lambda test, text: (test, text.replace("/", "\\")) if "/" in text else None,
        "has / where the rule has \\",
    ),
    (
        7,
        "slashes",
        lambda test, text: (test, text.replace("\\", "/")) if "\\" in text else None,
        "has \\ where the rule has /",
    ),
    (
        7,
        "slashes",
        lambda test, text: (test, text.replace("\\\\", "\\")) if "\\\\" in text else None,
        "has its backslashes doubled",
    ),
    (8, "more", lambda test, text: (test, text.strip("\"'")) if text[:1] in "\"'" else None, "stands in quotes"),
)
"""What may be changed of a text so that it fits: how near that is, what it is called, the change, and how to say it."""


def _from_hex(text: str) -> int | None:
    try:
        return int(text, 16) if text[:2].lower() == "0x" and len(text) < 40 else None
    except ValueError:
        return None


def _is_number(text: str) -> bool:
    return scalar_test(CompareTest("gte", 0.0))(text) or scalar_test(CompareTest("lt", 0.0))(text)


def _is_address(text: str) -> bool:
    return scalar_test(CidrTest(_EVERY_4))(text) or scalar_test(CidrTest(_EVERY_6))(text)


def _host_part(text: str) -> str:
    """Return the address of ``10.0.0.1:443``, ``[::1]:443`` and ``10.0.0.1/32``."""
    text = text.strip().partition("/")[0]
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
