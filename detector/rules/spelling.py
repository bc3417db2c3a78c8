r"""What pySigma would lose or misread of a detection, refused or spelt so that it comes through.

`utf16le` is the specification's other name of `wide`; an expression takes `contains`, `startswith` and `endswith` as
anchors, since it is found anywhere; numbers that pySigma would round become their text; the case of
``cased|fieldref`` and the percent sign of ``\%`` under `expand` are carried in the values, by characters of Unicode's
private use that no rule contains.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sigma.rule import SigmaDetection
from sigma.types import SigmaFieldReference

from detector.rules.modifiers import AFFIXES, check_item, is_rounded
from detector.rules.selecting import MAX_NESTED, check_condition

CASED = "\ue000"
"""Stands before a referenced field whose value is compared with its case, until `carry_case`."""

PERCENT = "\ue001"
"""Stands for an escaped percent sign."""

MAX_PARTS = 50_000
"""Values of one condition; the largest public rule has below 5,000."""

_DASH = re.compile(r"\B[-/]\b")
_DASHES = 5
"""Spellings of a dash under `windash`."""

_ESCAPED_PERCENT = re.compile(r"(?<!\\)((?:\\\\)*)\\%")


class Cased(int):
    """A flag of a reference whose value is compared with its case: pipelines change names and keep flags."""


def spelt(detection: dict[str, Any]) -> dict[str, Any]:
    """Return a detection as pySigma must read it.

    Raises:
        ValueError: It cannot be used; the message says what and what instead.
    """
    if "timeframe" in detection:
        raise ValueError("`timeframe` belongs to counting; write a correlation with a `timespan` over this rule")
    sizes = dict[str, int]()
    read = dict[str, Any]()
    for name, selection in detection.items():
        if name != "condition":
            speller = _Speller(name)
            read[name] = speller.selection(selection)
            sizes[name] = speller.parts
    if check_condition(detection["condition"], sizes) > MAX_PARTS or sum(sizes.values()) > MAX_PARTS:
        raise ValueError(f"its `condition` has more than {MAX_PARTS} values; split the rule")
    return read | {"condition": detection["condition"]}


def carry_case(detection: SigmaDetection) -> None:
    """Move the sign of cased references from their names, which pipelines map, to their flags."""
    for item in detection.detection_items:
        if isinstance(item, SigmaDetection):
            carry_case(item)
            continue
        for value in item.value:
            if isinstance(value, SigmaFieldReference) and value.field.startswith(CASED):
                value.field = value.field.removeprefix(CASED)
                value.ends_with = Cased(value.ends_with)  # type: ignore[assignment]  # a truth value still


class _Speller:
    """Reads one selection.

    Attributes:
        parts: How many values it has, once they are expanded.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.parts = 0

    def selection(self, value: Any, depth: int = 0) -> Any:  # noqa: ANN401  a document's content
        if depth > MAX_NESTED:
            raise ValueError(f"the selection {self._name!r} is nested deeper than {MAX_NESTED}; take it apart")
        if isinstance(value, dict | list) and not value:
            raise ValueError(f"the selection {self._name!r} is empty; name fields and values")
        if isinstance(value, dict):
            return dict(self._item(key, each) for key, each in value.items())
        if isinstance(value, list):
            return [self.selection(each, depth + 1) for each in value]
        return self._keyword(value)

    def _keyword(self, value: Any) -> Any:  # noqa: ANN401
        self.parts += 1
        if value is None or isinstance(value, bool) or not isinstance(value, str | int | float):
            word = {None: "null", True: "true", False: "false"}.get(value, type(value).__name__)
            raise ValueError(f"the selection {self._name!r} has {word} as a keyword; name a field, or write text")
        if is_rounded(value):
            raise ValueError(f"the keyword {value} is too large a number; quote it")
        return value

    def _item(self, key: Any, value: Any) -> tuple[Any, Any]:  # noqa: ANN401
        path, *modifiers = str(key).split("|")
        values = value if isinstance(value, list) else [value]
        check_item(str(key), modifiers, values)
        changes = _changes(modifiers)
        spelt_values = list[Any]()
        for each in values:
            text = each if path else self._keyword(each)
            for change in changes:
                text = change(text)
            spelt_values.append(text)
            self._count(text, modifiers)
        kept = ["wide" if each == "utf16le" else each for each in modifiers if not _is_carried(each, modifiers)]
        return "|".join([path, *kept]), spelt_values if isinstance(value, list) else spelt_values[0]

    def _count(self, value: Any, modifiers: list[str]) -> None:  # noqa: ANN401
        dashes = len(_DASH.findall(value)) if "windash" in modifiers else 0
        self.parts += _DASHES ** min(dashes, 3) * (3 if "base64offset" in modifiers else 1)
        if self.parts > MAX_PARTS:
            raise ValueError(f"the selection {self._name!r} has more than {MAX_PARTS} values; split the rule")


def _is_carried(modifier: str, modifiers: list[str]) -> bool:
    """Return whether a modifier is carried in the values, so that pySigma does not read it."""
    return (modifier == "cased" and "fieldref" in modifiers) or (modifier in AFFIXES and "re" in modifiers)


def _changes(modifiers: list[str]) -> list[Callable[[Any], Any]]:
    changes = list[Callable[[Any], Any]]()
    if "re" in modifiers:
        changes.append(str)
    if "fieldref" in modifiers and "cased" in modifiers:
        changes.append(lambda text: CASED + text)
    if "expand" in modifiers:
        changes.append(lambda text: _ESCAPED_PERCENT.sub(rf"\1{PERCENT}", text))
    if "re" in modifiers and "startswith" in modifiers:
        changes.append(lambda text: rf"\A(?:{text})")
    if "re" in modifiers and "endswith" in modifiers:
        changes.append(lambda text: f"(?:{text})(?-m:$)")
    if not set(modifiers) - {"all", "neq"}:
        changes.append(lambda value: str(value) if is_rounded(value) else value)
    return changes
