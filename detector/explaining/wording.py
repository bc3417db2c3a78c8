"""Tests and values as a reader knows them: Sigma's spelling, shortened, and harmless on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detector.explaining.model import Comparison
from detector.matching.values import text_of
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
from normalizers.timestamps import format_utc

MAX_VALUE_CHARS = 160
"""Characters of a value that are shown: a command line is recognised by its ends."""

MAX_WANTED_SHOWN = 3
"""Values of a rule's list that a line shows."""

MAX_MEMBERS = 5
"""Members of a list or names of an object that are shown."""

MAX_DIGITS = 300
"""A longer integer cannot be a value that somebody compares, and Python refuses to write one of 4,300 digits."""


def modifiers_of(test: ValueTest, *, is_keyword: bool = False) -> str:
    """Return the modifiers with which Sigma writes a test."""
    match test:
        case TextTest():
            place = "" if is_keyword else _placed(test)[0]
            return "|".join(filter(None, ("cased" if test.cased else "", place)))
        case RegexTest():
            return "re"
        case CidrTest():
            return "cidr"
        case ExistsTest():
            return "exists"
        case CompareTest(operator, _, "instant"):
            return operator
        case CompareTest(operator, _, part):
            return "|".join(filter(None, (part, operator if operator != "eq" or part is None else "")))
        case FieldRefTest(_, starts, ends, cased):
            place = "contains" if starts and ends else "endswith" if ends else "startswith" if starts else ""
            return "|".join(filter(None, ("cased" if cased else "", "fieldref", place)))
        case _:
            return ""


def wanted_of(test: ValueTest, *, is_keyword: bool = False) -> str:  # noqa: PLR0911  one a type
    """Return the value that a test wants, as Sigma writes it beside the modifiers."""
    match test:
        case TextTest():
            return quoted(_pattern(test.parts if is_keyword else _placed(test)[1]))
        case CompareTest(_, seconds, "instant"):
            return format_utc(int(seconds * 10**9))
        case NumberTest(number) | CompareTest(_, number):
            return shown(number)
        case BoolTest(value):
            return shown(value)
        case NullTest():
            return "null"
        case ExistsTest(present):
            return shown(present)
        case RegexTest(pattern):
            return quoted(pattern)
        case CidrTest(network):
            return str(network)
        case FieldRefTest(path):
            return quoted(path)


def asked(test: Comparison) -> str:
    r"""Write what a test asks: ``Image|endswith: '\cmd.exe'``; of a list the value that held or came nearest."""
    key = "|".join(filter(None, (test.field or "keywords", test.modifiers)))
    shown_values = (test.closest,) if test.closest else test.wanted[:MAX_WANTED_SHOWN]
    more = test.wanted_count - len(shown_values)
    others = f" (and {more} more)" if more else ""
    return f"{key}: {', '.join(shown_values)}{others}"


def because(test: Comparison) -> str:
    """Write why a test does not hold: what the event has, and what is wrong with that."""
    return test.why if test.had is None or not test.field else f"has {test.had}: {test.why}"


def shown(value: Any) -> str:  # noqa: ANN401  any value of an event
    """Write a value: texts in quotes, numbers and words bare, lists and objects by their beginning."""
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "null"
    if isinstance(value, list):
        members = ", ".join(shown(each) for each in value[:MAX_MEMBERS])
        return shortened(f"[{members}{', …' if len(value) > MAX_MEMBERS else ''}]")
    if isinstance(value, Mapping):
        return shortened("{" + ", ".join(str(name)[:40] for name in list(value)[:MAX_MEMBERS]) + "}")
    if isinstance(value, int) and value.bit_length() > MAX_DIGITS * 3:
        return "an integer of many digits"
    return text_of(value) or type(value).__name__


def quoted(text: str) -> str:
    """Write a text in quotes, its middle left out when it is long."""
    return f"'{shortened(text)}'"


def shortened(text: str, chars: int = MAX_VALUE_CHARS) -> str:
    """Leave out the middle of a long text, and make it harmless."""
    if len(text) > chars:
        tail = chars // 2
        text = f"{text[: chars - tail - 1]}…{text[len(text) - tail :]}"
    return harmless(text)


def harmless(text: str) -> str:
    """Write as escapes what would move a terminal's cursor: names and values come from outside."""
    return text if text.isprintable() else "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _placed(test: TextTest) -> tuple[str, tuple[Any, ...]]:
    """Return `contains`, `startswith`, `endswith` or nothing, and the parts without the wildcards that say so."""
    parts = test.parts
    literals = [part for part in parts if isinstance(part, str)]
    starts, ends = bool(parts) and parts[0] is None, bool(parts) and parts[-1] is None
    if not literals or not (starts or ends):
        return "", parts
    inner = parts[int(starts) : len(parts) - int(ends)]
    return ("contains" if starts and ends else "endswith" if starts else "startswith"), inner


def _pattern(parts: tuple[Any, ...]) -> str:
    return "".join("*" if part is None else "?" if part == () else str(part) for part in parts)
