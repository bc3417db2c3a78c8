"""A rule's condition as its author wrote it: selections with their names, lists of values as one test."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Literal

import msgspec

from detector.explaining.wording import modifiers_of
from detector.matching.evaluator import Predicate, compile_condition
from detector.rules.condition import And, Condition, FieldTest, KeywordTest, Not, Or
from detector.rules.model import DetectionRule
from detector.rules.naming import size

Linking = Literal["all", "any"]


class Leaf(msgspec.Struct, frozen=True):
    """Tests of one field with the same modifiers.

    Attributes:
        field: The field; empty for keywords.
        modifiers: As Sigma writes them, without `all`.
        tests: One a value.
        predicates: The oracle's function for each.
        linking: Whether all must hold, or any.
    """

    field: str
    modifiers: str
    tests: tuple[FieldTest | KeywordTest, ...]
    predicates: tuple[Predicate, ...]
    linking: Linking = "any"


class Outline(msgspec.Struct, frozen=True):
    """One part of a condition.

    Attributes:
        kind: `all` or `any` of the parts, `not` the only part, `test` of the leaf.
        name: Name of the selection or filter that begins here.
        parts: In the author's order.
        leaf: Set for a test.
    """

    kind: Literal["all", "any", "not", "test"]
    name: str = ""
    parts: tuple[Outline, ...] = ()
    leaf: Leaf | None = None


def outline_of(rule: DetectionRule) -> Outline:
    """Return the outline of a rule's condition."""
    names = dict[int, str]()
    for place, name in rule.names:
        names[place] = f"{names[place]}, {name}" if place in names else name
    return _outline(rule.condition, 0, names)


def _outline(condition: Condition, place: int, names: dict[int, str]) -> Outline:
    name = names.get(place, "")
    match condition:
        case Not(part):
            return Outline("not", name, (_outline(part, place + 1, names),))
        case And(parts):
            return _joined("all", name, list(_parts(parts, place, names)))
        case Or(parts):
            return _joined("any", name, list(_parts(parts, place, names)))
        case FieldTest() | KeywordTest():
            return Outline("test", name, (), _leaf([condition], "any"))


def _parts(parts: tuple[Condition, ...], place: int, names: dict[int, str]) -> Iterator[Outline]:
    place += 1
    for part in parts:
        yield _outline(part, place, names)
        place += size(part)


def _joined(kind: Linking, name: str, parts: list[Outline]) -> Outline:
    """Join parts; those that only differ in the value become one test."""
    groups = dict[object, list[Outline]]()
    # What `all of selection_*` stands for needs no level of its own.
    for part in chain.from_iterable(each.parts if each.kind == kind and not each.name else (each,) for each in parts):
        leaf = part.leaf
        mergeable = leaf is not None and not part.name and (leaf.linking == kind or len(leaf.tests) == 1)
        groups.setdefault((leaf.field, leaf.modifiers) if mergeable and leaf else id(part), []).append(part)
    found = [_merged(kind, group) for group in groups.values()]
    if len(found) == 1 and not (name and found[0].name):
        return msgspec.structs.replace(found[0], name=name or found[0].name)
    return Outline(kind, name, tuple(found))


def _merged(kind: Linking, parts: list[Outline]) -> Outline:
    if len(parts) == 1:
        return parts[0]
    return Outline("test", "", (), _leaf([test for part in parts if part.leaf for test in part.leaf.tests], kind))


def _leaf(tests: list[FieldTest | KeywordTest], linking: Linking) -> Leaf:
    first = tests[0]
    is_keyword = isinstance(first, KeywordTest)
    return Leaf(
        field="" if isinstance(first, KeywordTest) else first.field_path,
        modifiers=modifiers_of(first.test, is_keyword=is_keyword),
        tests=tuple(tests),
        predicates=tuple(compile_condition(test) for test in tests),
        linking=linking,
    )
