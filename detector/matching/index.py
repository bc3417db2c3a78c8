"""Which rules can match an event at all, by values that they require."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from detector.matching.fields import Fields
from detector.matching.values import text_of
from detector.rules.condition import And, Condition, FieldTest, NumberTest, Or, TextTest
from detector.rules.model import DetectionRule

MAX_VALUES = 64
"""Values of one field that a rule may be filed under; rules with longer lists are always tried."""

Anchor = tuple[str, frozenset[str]]
"""A field and the lower-case texts of which it must have one."""


def anchor_of(condition: Condition) -> Anchor | None:
    """Return a field and the values of which an event must have one to match; None when there is no such field."""
    match condition:
        case FieldTest(path, TextTest(parts, _)) if all(isinstance(part, str) for part in parts):
            return path, frozenset({"".join(map(str, parts)).lower()})
        case FieldTest(path, NumberTest(number)):
            return path, frozenset({text_of(number) or ""})
        case And(parts):
            found = [anchor for anchor in map(anchor_of, parts) if anchor is not None]
            return min(found, key=lambda each: len(each[1]), default=None)
        case Or(parts):
            return _joined([anchor_of(part) for part in parts])
        case _:
            return None


def _joined(anchors: Sequence[Anchor | None]) -> Anchor | None:
    """Return the anchor of alternatives: all must require the same field."""
    found = [anchor for anchor in anchors if anchor is not None]
    if len(found) < len(anchors) or len({path for path, _ in found}) != 1:
        return None
    values = frozenset[str]().union(*(values for _, values in found))
    return (found[0][0], values) if len(values) <= MAX_VALUES else None


class RuleIndex:
    """Rules of one log source, filed under required values of a field where they have one."""

    def __init__(self, rules: Iterable[DetectionRule]) -> None:
        self._always = list[tuple[int, DetectionRule]]()
        self._filed: dict[str, dict[str, list[tuple[int, DetectionRule]]]] = {}
        for number, rule in enumerate(rules):
            anchor = anchor_of(rule.condition)
            if anchor is None:
                self._always.append((number, rule))
                continue
            path, values = anchor
            for value in values:
                self._filed.setdefault(path, {}).setdefault(value, []).append((number, rule))

    def candidates(self, fields: Fields) -> Sequence[DetectionRule]:
        """Return the rules that are worth trying, in the order in which they were loaded."""
        found = list(self._always)
        for path, by_value in self._filed.items():
            value = fields.get(path, None)
            for each in value if isinstance(value, list) else (value,):
                text = text_of(each)
                if text is not None:
                    found.extend(by_value.get(text.lower(), ()))
        if len(found) > 1:
            found = sorted(dict(found).items())  # an event with a list of values meets a rule several times
        return [rule for _, rule in found]
