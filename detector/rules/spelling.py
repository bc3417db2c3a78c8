r"""What pySigma would lose of a detection, spelt so that it comes through.

`utf16le` is the specification's other name of `wide`; the case of ``cased|fieldref`` and the percent sign of ``\%``
under `expand` are carried in the values, by characters of Unicode's private use that no rule contains.
"""

from __future__ import annotations

import re
from typing import Any

from sigma.rule import SigmaDetection
from sigma.types import SigmaFieldReference

CASED = "\ue000"
"""Stands before a referenced field whose value is compared with its case, until `carry_case`."""

PERCENT = "\ue001"
"""Stands for an escaped percent sign."""

_ESCAPED_PERCENT = re.compile(r"(?<!\\)((?:\\\\)*)\\%")
"""Behind an even number of backslashes, which are backslashes themselves."""


class Cased(int):
    """A flag of a reference whose value is compared with its case: pipelines change names and keep flags."""


def spelt(value: Any) -> Any:  # noqa: ANN401  a document's content
    """Return a detection as pySigma must read it."""
    if isinstance(value, dict):
        return dict(_item(key, each) for key, each in value.items())
    return [spelt(each) for each in value] if isinstance(value, list) else value


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


def _item(key: Any, value: Any) -> tuple[Any, Any]:  # noqa: ANN401  a document's content
    if not isinstance(key, str) or "|" not in key:
        return key, spelt(value)
    path, *modifiers = key.split("|")
    modifiers = ["wide" if each == "utf16le" else each for each in modifiers]
    if "fieldref" in modifiers and "cased" in modifiers:
        modifiers.remove("cased")
        value = _each(value, lambda text: CASED + text)
    if "expand" in modifiers:
        value = _each(value, lambda text: _ESCAPED_PERCENT.sub(rf"\1{PERCENT}", text))
    return "|".join([path, *modifiers]), spelt(value)


def _each(value: Any, change: Any) -> Any:  # noqa: ANN401  a document's content
    if isinstance(value, list):
        return [_each(each, change) for each in value]
    return change(value) if isinstance(value, str) else value
