"""Which parts of an outline hold for an event, and how far the others are from holding."""

from __future__ import annotations

import msgspec

from detector.explaining.outline import Leaf, Outline
from detector.matching.evaluator import Predicate
from detector.matching.fields import Fields
from detector.rules.condition import TIME_FIELD

ABSENT = 1.0
"""Distance of a test whose field the event does not have."""

DIFFERENT = 0.75
"""Distance of a test whose field has another value: nearer, as the event is at least of the kind that was meant."""

ANOTHER_TIME = 5.0
"""Distance of a test of the event's time, such as the end of a filter: that should hardly have been otherwise."""


class Judged(msgspec.Struct, frozen=True):
    """An outline for one event.

    Attributes:
        outline: What was judged.
        held: Whether it holds.
        parts: Its parts, judged.
        repair: Least that would have to change for it to hold; 0 when it does.
        damage: Least that would have to change for it not to hold; 0 when it does not.
        held_tests: Of a test, which of its values hold.
    """

    outline: Outline
    held: bool
    parts: tuple[Judged, ...] = ()
    repair: float = 0.0
    damage: float = 0.0
    held_tests: tuple[bool, ...] = ()


def judge(outline: Outline, fields: Fields) -> Judged:
    """Judge an outline for the flat fields of an event."""
    if outline.leaf is not None:
        return _judge_leaf(outline, outline.leaf, fields)
    parts = tuple(judge(part, fields) for part in outline.parts)
    if outline.kind == "not":
        inner = parts[0]
        return Judged(outline, not inner.held, parts, inner.damage, inner.repair)
    if outline.kind == "all":
        held = all(part.held for part in parts)
        return Judged(outline, held, parts, sum(part.repair for part in parts), _least(part.damage for part in parts))
    held = any(part.held for part in parts)
    return Judged(outline, held, parts, _least(part.repair for part in parts), sum(part.damage for part in parts))


def _judge_leaf(outline: Outline, leaf: Leaf, fields: Fields) -> Judged:
    tests = tuple(_holds(predicate, fields) for predicate in leaf.predicates)
    held = any(tests) if leaf.linking == "any" else all(tests)
    if held:
        return Judged(outline, held, damage=1.0, held_tests=tests)
    share = tests.count(False) / len(tests) if leaf.linking == "all" else 1.0
    weight = ABSENT if leaf.field and leaf.field not in fields else DIFFERENT
    if leaf.field == TIME_FIELD:
        weight = ANOTHER_TIME
    return Judged(outline, held, repair=weight * share, held_tests=tests)


def _least(distances: object) -> float:
    return min((each for each in distances), default=0.0)  # type: ignore[attr-defined]


def _holds(predicate: Predicate, fields: Fields) -> bool:
    try:
        return predicate(fields)
    except Exception:  # noqa: BLE001  the reason is found where it is told: this part does not hold
        return False
