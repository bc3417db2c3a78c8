"""Which modifiers an item may have, in which order and with which values.

Asked before pySigma is, which accepts some combinations that mean nothing and refuses others in words of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from sigma.modifiers import modifier_mapping

from detector.rules.advice import RE2
from detector.rules.patterns import PatternError, compile_pattern

AFFIXES = frozenset({"contains", "startswith", "endswith"})
_ENCODINGS = frozenset({"base64", "base64offset"})
_FLAGS = frozenset({"i", "m", "s", "ignorecase", "multiline", "dotall"})
_COMPARISONS = frozenset({"lt", "lte", "gt", "gte"})
_LISTS = frozenset({"all", "neq"})
_WITHOUT_FIELD = _LISTS | _FLAGS | AFFIXES | _ENCODINGS | {
    "re", "cased", "windash", "wide", "utf16le", "utf16be", "utf16", "expand"
}  # fmt: skip
_TEXT = AFFIXES | _ENCODINGS | {
    "cased", "windash", "wide", "utf16le", "utf16be", "utf16", "cidr", "fieldref", "expand", "re"
}  # fmt: skip

_PARTS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "week": (1, 53), "month": (1, 12), "year": (1, 9999)}
"""Part of a time to its least and largest number; ISO 8601 has 53 weeks in some years."""

_COMPANIONS: dict[str, frozenset[str]] = {
    "re": _FLAGS | AFFIXES | {"expand"},
    "fieldref": AFFIXES | {"cased"},
    "exists": frozenset(),
    "cidr": frozenset(),
    **dict.fromkeys(_COMPARISONS, frozenset(_PARTS)),
    **dict.fromkeys(_PARTS, _COMPARISONS),
}
"""Modifier to those that it goes with, `all` and `neq` apart; one that is not here goes with what pySigma allows."""

_ORDER = (
    (frozenset({"re"}), _FLAGS | AFFIXES | {"expand"}),
    (frozenset({"fieldref"}), AFFIXES),
    (_ENCODINGS, AFFIXES),
    (frozenset(_PARTS), _COMPARISONS),
)
"""Modifiers that stand before others."""

_EXACT = 1 << 53
"""Whole numbers above this are not all told apart by floats."""

_BEYOND_FLOATS = 1 << 1023


def check_item(key: str, modifiers: Sequence[str], values: Iterable[object]) -> None:
    """Check the modifiers of an item and its values.

    Args:
        key: As written, for messages.
        modifiers: In order.
        values: One or more; lists and mappings are refused.

    Raises:
        ValueError: They do not go together; the message says what and what instead.
    """
    _check_values(key, modifiers, list(values))
    if all(each in modifier_mapping or each == "utf16le" for each in modifiers):  # else pySigma says which is unknown
        _check_companions(key, modifiers)
        _check_order(key, modifiers)
        if key.startswith("|") and not _WITHOUT_FIELD.issuperset(modifiers):
            raise ValueError(f"{key!r} has no field to look at; name one before the `|`")


def is_rounded(value: object) -> bool:
    """Return whether pySigma, which goes through a float, would change a number or refuse it."""
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, int) and (abs(value) >= _BEYOND_FLOATS or int(float(value)) != value)


def _check_companions(key: str, modifiers: Sequence[str]) -> None:
    twice = sorted({each for each in modifiers if modifiers.count(each) > 1} - _ENCODINGS)
    if twice:
        raise ValueError(f"{key!r} has `{twice[0]}` twice; write it once")
    if len(AFFIXES.intersection(modifiers)) > 1:
        raise ValueError(f"{key!r} has two of contains, startswith and endswith; write one, or two items")
    for each in modifiers:
        others = set(modifiers) - {each} - _LISTS
        allowed = _COMPANIONS.get(each)
        if allowed is not None and not others <= allowed:
            odd = ", ".join(f"`{other}`" for other in modifiers if other in others - allowed)
            rest = f" and {', '.join(sorted(allowed))}" if allowed else ""
            raise ValueError(f"{key!r}: `{each}` does not go with {odd}; it goes with all, neq{rest}")
        if each in _FLAGS and "re" not in modifiers:
            raise ValueError(f"{key!r}: `{each}` is a flag of an expression; write `re|{each}`")


def _check_order(key: str, modifiers: Sequence[str]) -> None:
    for firsts, seconds in _ORDER:
        for position, each in enumerate(modifiers):
            before = [other for other in modifiers[:position] if other in seconds]
            if each in firsts and before:
                raise ValueError(f"{key!r}: `{before[0]}` stands before `{each}`; write `{each}|{before[0]}`")


def _check_values(key: str, modifiers: Sequence[str], values: list[object]) -> None:
    if not values and set(modifiers) - {"neq"}:
        raise ValueError(f"{key!r} has an empty list; name values, or write null for a missing field")
    for value in values:
        _check_kind(key, value)
        for modifier in modifiers:
            _check_value(key, modifier, value)


def _check_kind(key: str, value: object) -> None:
    if value is None or isinstance(value, str | int):
        return
    if isinstance(value, float):
        if is_rounded(value):
            raise ValueError(f"a value of {key!r} is larger than any number; quote it")
        return
    words = f"is of type {type(value).__name__}; write text or a number"
    if isinstance(value, dict):
        words = f"is a mapping; write the path: '{key}.{next(iter(value), 'name')}'"
    elif isinstance(value, list):
        words = "is a list in a list; write one list"
    raise ValueError(f"a value of {key!r} {words}")


def _check_value(key: str, modifier: str, value: object) -> None:
    if modifier in _TEXT and not isinstance(value, str) and not (modifier == "re" and type(value) is int):
        raise ValueError(f"{key!r}: `{modifier}` takes text, not {_written(value)}; {_quoted(value)}")
    if modifier == "re":
        _check_expression(str(value))
    if modifier == "exists" and not isinstance(value, bool):
        raise ValueError(f"{key!r}: `exists` takes true or false, not {_written(value)}; write one of them unquoted")
    if modifier in _COMPARISONS or modifier in _PARTS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{key!r}: `{modifier}` takes a number, not {_written(value)}; write digits unquoted")
        if is_rounded(value):
            raise ValueError(f"{key!r}: {value} cannot be compared exactly; write a number up to {_EXACT}")
    if modifier in _PARTS:
        least, most = _PARTS[modifier]
        if value != int(value) or not least <= value <= most:  # type: ignore[call-overload, operator]  # a number
            raise ValueError(
                f"{key!r}: no time has the {modifier} {value}; write a whole number from {least} to {most}"
            )


def _check_expression(text: str) -> None:
    try:
        compile_pattern(text)  # before pySigma does, which would write to the terminal
    except PatternError as error:
        raise ValueError(f"{error}; {RE2}") from error


def _written(value: object) -> str:
    """Write a value as YAML has it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value)


def _quoted(value: object) -> str:
    return "name a text" if value is None else f"quote it: '{_written(value)}'"
