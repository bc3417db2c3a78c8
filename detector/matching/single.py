"""Finding the groups of rules that one event brings up, without columns: for a few events at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from detector.matching.columns import Column, Event
from detector.matching.plan import Plan
from detector.matching.scanner import Scanner
from detector.matching.terms import KEYWORD, MISSING, SEPARATOR
from detector.matching.values import fold, text_of


class Shape(msgspec.Struct):
    """What is known of events with the same fields and plan.

    Attributes:
        plan: How their rules are found.
        names: Fields.
        positions: Field to its position.
        exact: Position, and folded value to group.
        scans: Position, scanner and the groups of its literals.
        keyword: Scanner and groups of keywords.
        always: Groups that any such event brings up.
        looks_inside: A rule may look into objects.
    """

    plan: Plan
    names: tuple[str, ...]
    positions: dict[str, int]
    exact: list[tuple[int, dict[str, int]]]
    scans: list[tuple[int, Scanner, list[int]]]
    keyword: tuple[Scanner, list[int]] | None
    always: frozenset[int]
    looks_inside: bool


def shape_of(plan: Plan, names: tuple[str, ...]) -> Shape:
    """Return the shape of events with these fields."""
    exact = list[tuple[int, dict[str, int]]]()
    scans = list[tuple[int, Scanner, list[int]]]()
    always = {group for path, group in plan.present.items() if path in names}
    if plan.always is not None:
        always.add(plan.always)
    words = plan.keywords
    for position, path in enumerate(names):
        field = plan.fields.get(path)
        if field is None:
            continue
        if field.exact:
            exact.append((position, field.exact))
        own = (index for index in field.indexes if index is not words)
        scans.extend((position, index.scanner, index.groups) for index in own)
    keyword = None if words is None else (words.scanner, words.groups)
    looks_inside = plan.has_keywords or not plan.heads.isdisjoint(names)
    positions = {path: position for position, path in enumerate(names)}
    return Shape(plan, names, positions, exact, scans, keyword, frozenset(always), looks_inside)


def texts_of_one(shape: Shape, event: Event) -> list[str] | None:
    """Return the folded text of each field; None when the event needs columns.

    It does when it has lists, objects that a rule may look into, or values of several lines.
    """
    values = event.values()
    try:
        lines = fold(SEPARATOR.join(values))
    except TypeError:
        texts = list[str]()
        for value in values:
            if value.__class__ is str:
                texts.append(value)
            elif isinstance(value, list) or (isinstance(value, dict) and shape.looks_inside):
                return None
            else:
                text = text_of(value)
                texts.append(MISSING if text is None else text)
        lines = fold(SEPARATOR.join(texts))
    folded = lines.split(SEPARATOR)
    return folded if len(folded) == len(shape.names) else None


def groups_of_one(shape: Shape, texts: list[str]) -> set[int] | frozenset[int]:
    """Return the groups of rules that an event brings up."""
    found = list[int]()
    for position, table in shape.exact:
        group = table.get(texts[position])
        if group is not None:
            found.append(group)
    for position, scanner, numbers in shape.scans:
        for literal in scanner.literals(f"\n{texts[position]}\n"):
            found.append(numbers[literal])
    if shape.keyword is not None:
        scanner, numbers = shape.keyword
        for literal in scanner.literals(SEPARATOR.join(texts)):
            found.append(numbers[literal])
    return shape.always.union(found) if found else shape.always


class OneEvent:
    """One flat event without lists, as checks read it.

    Attributes:
        values: Field to a column of one value.
        folded: Field to a column of one folded text.
        events: Itself.
        listed: As of `Batch`: no field has a list.
    """

    listed: frozenset[str] = frozenset()

    def __init__(self, shape: Shape, event: Event, texts: list[str]) -> None:
        self.events = (event,)
        self.values: Mapping[str, Column] = _OneValue(event)
        self.folded: Mapping[str, Any] = _OneText(shape.positions, texts)


class _OneValue(dict[str, Column]):
    def __init__(self, event: Event) -> None:
        super().__init__()
        self._event = event

    def __missing__(self, path: str) -> Column:
        column = self[path] = (self._event.get(path),)
        return column


class _OneText(dict[str, Column]):
    def __init__(self, names: Mapping[str, int], texts: list[str]) -> None:
        super().__init__()
        self._names = names
        self._texts = texts

    def __missing__(self, path: str) -> Column:
        position = self._names.get(path)
        if position is not None:
            text = self._texts[position]
        else:
            text = SEPARATOR.join(self._texts) if path == KEYWORD else MISSING
        column = self[path] = (text,)
        return column
