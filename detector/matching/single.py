"""Finding the groups of rules that one event brings up, without columns: for a few events at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping

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
        renames: A rule knows a field by its name without spaces.
        is_text: No event had a value that is not text, as far as seen, and no name is to be read without spaces.
    """

    plan: Plan
    names: tuple[str, ...]
    positions: dict[str, int]
    exact: list[tuple[int, dict[str, int]]]
    scans: list[tuple[int, Scanner, list[int]]]
    keyword: tuple[Scanner, list[int]] | None
    always: frozenset[int]
    looks_inside: bool
    renames: bool
    is_text: bool = True


def shape_of(plan: Plan, names: tuple[str, ...]) -> Shape:
    """Return the shape of events with these fields."""
    exact: list[tuple[int, dict[str, int]]] = []
    scans: list[tuple[int, Scanner, list[int]]] = []
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
    renames = plan.renames(names)
    return Shape(
        plan, names, positions, exact, scans, keyword, frozenset(always), looks_inside, renames, is_text=not renames
    )


def lines_of_one(shape: Shape, event: Event) -> str | None:
    """Return the folded texts of the fields, one a line; None when the event needs columns.

    It does when it has lists, objects that a rule may look into, or names with spaces.
    """
    if shape.is_text:
        try:
            return fold(SEPARATOR.join(event.values()))
        except TypeError:
            shape.is_text = False
    if shape.renames:
        return None
    texts: list[str] = []
    for value in event.values():
        if value.__class__ is str:
            texts.append(value)
        elif isinstance(value, list) or (isinstance(value, dict) and shape.looks_inside):
            return None
        else:
            text = text_of(value)
            texts.append(MISSING if text is None else text)
    return fold(SEPARATOR.join(texts))


def groups_of_one(shape: Shape, lines: str | None) -> Collection[int] | None:
    """Return the groups of rules that an event brings up; None when the event needs columns.

    It does when it has no lines, and when a value has several.
    """
    if lines is None:
        return None
    found: list[int] = []
    if shape.exact or shape.scans:
        texts = lines.split(SEPARATOR)
        if len(texts) != len(shape.names):
            return None
        _find_in_fields(shape, texts, found)
    if shape.keyword is not None:
        scanner, numbers = shape.keyword
        literals = scanner.literals(lines)
        if literals:
            found.extend(map(numbers.__getitem__, literals))
    groups = shape.always.union(found) if found else shape.always
    if groups and lines.count(SEPARATOR) >= len(shape.names):
        return None
    return groups


def _find_in_fields(shape: Shape, texts: list[str], found: list[int]) -> None:
    for position, table in shape.exact:
        group = table.get(texts[position])
        if group is not None:
            found.append(group)
    for position, scanner, numbers in shape.scans:
        literals = scanner.literals(f"\n{texts[position]}\n")
        if literals:
            found.extend(map(numbers.__getitem__, literals))


class OneEvent:
    """One flat event without lists, as checks read it.

    Attributes:
        values: Field to a column of one value.
        folded: Field to a column of one folded text.
        events: Itself.
    """

    __slots__ = ("events", "folded", "values")

    def __init__(self, shape: Shape, event: Event, lines: str) -> None:
        # Attributes are set here, as a constructor in Python would cost as much as the rest.
        self.events = (event,)
        self.values = _OneValue()
        self.values.event = event
        self.folded = _OneText()
        self.folded.positions = shape.positions
        self.folded.lines = lines
        self.folded.texts = None


class _OneValue(dict[str, Column]):
    __slots__ = ("event",)
    event: Event

    def __missing__(self, path: str) -> Column:
        column = self[path] = (self.event.get(path),)
        return column


class _OneText(dict[str, Column]):
    __slots__ = ("lines", "positions", "texts")
    positions: Mapping[str, int]
    lines: str
    texts: list[str] | None

    def __missing__(self, path: str) -> Column:
        position = self.positions.get(path)
        if position is None:
            column = self[path] = (self.lines if path == KEYWORD else MISSING,)
            return column
        if self.texts is None:
            self.texts = self.lines.split(SEPARATOR)
        column = self[path] = (self.texts[position],)
        return column
