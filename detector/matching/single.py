"""Finding the groups of rules that one event brings up, without columns: for a few events at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from detector.matching.columns import Column, Event
from detector.matching.outcomes import Outcome
from detector.matching.plan import Plan
from detector.matching.terms import KEYWORD, MISSING, SEPARATOR
from detector.matching.values import fold, text_of

Find = Callable[[str], Sequence[int]]
"""Takes a text and returns the groups of the literals in it."""


class Shape(msgspec.Struct):
    """What is known of events with the same fields and plan.

    Attributes:
        plan: How their rules are found.
        names: Fields.
        positions: Field to its position.
        exact: Position, and folded value to group.
        scans: Position, and what finds the groups of other literals.
        keywords: What finds the groups of keywords.
        always: Groups that any such event brings up.
        usual: What they come to.
        looks_inside: A rule may look into objects.
        renames: A rule knows a field by its name without spaces.
        is_text: No event had a value that is not text, as far as seen, and no name is to be read without spaces.
    """

    plan: Plan
    names: tuple[str, ...]
    positions: dict[str, int]
    exact: list[tuple[int, dict[str, int]]]
    scans: list[tuple[int, Find]]
    keywords: Sequence[Find]
    always: tuple[int, ...]
    usual: Outcome
    looks_inside: bool
    renames: bool
    is_text: bool = True


def shape_of(plan: Plan, names: tuple[str, ...]) -> Shape:
    """Return the shape of events with these fields."""
    exact: list[tuple[int, dict[str, int]]] = []
    scans: list[tuple[int, Find]] = []
    tried = plan.always_of(names)
    present = {group for path, group in plan.present.items() if path in names}
    always = tuple(sorted(present if tried is None else {tried, *present}))
    words = plan.keywords
    for position, path in enumerate(names):
        field = plan.fields.get(path)
        if field is None:
            continue
        if field.exact:
            exact.append((position, field.exact))
        own = (index for index in field.indexes if index not in words)
        scans.extend((position, index.scanner.find) for index in own)
    keywords = [index.scanner.find for index in words]
    looks_inside = plan.has_keywords or not plan.heads.isdisjoint(names)
    positions = {path: position for position, path in enumerate(names)}
    renames = plan.renames(names)
    return Shape(
        plan,
        names,
        positions,
        exact,
        scans,
        keywords,
        always,
        plan.outcomes[always],
        looks_inside,
        renames,
        is_text=not renames,
    )


def outcome_of_one(shape: Shape, event: Event) -> tuple[Outcome, str] | None:
    """Return what the rules that an event brings up come to, and its texts, one a line; None when it needs columns.

    It does when it has lists, objects that a rule may look into, values of several lines, or names with spaces.
    """
    try:
        text = SEPARATOR.join(event.values()) if shape.is_text else _text_of_one(shape, event)
    except TypeError:
        shape.is_text = False
        text = _text_of_one(shape, event)
    if text is None:
        return None
    found: list[int] = []
    if (shape.exact or shape.scans) and not _find_in_fields(shape, text, found):
        return None
    for find in shape.keywords:
        found += find(text)
    outcome = shape.plan.outcomes[*shape.always, *found] if found else shape.usual
    if outcome.tries and text.count(SEPARATOR) >= len(shape.names):
        return None
    return outcome, text


def _text_of_one(shape: Shape, event: Event) -> str | None:
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
    return SEPARATOR.join(texts)


def _find_in_fields(shape: Shape, text: str, found: list[int]) -> bool:
    """Add the groups of what stands in single fields; return whether each has one line."""
    texts = fold(text).split(SEPARATOR)
    if len(texts) != len(shape.names):
        return False
    for position, table in shape.exact:
        group = table.get(texts[position])
        if group is not None:
            found.append(group)
    for position, find in shape.scans:
        found += find(f"\n{texts[position]}\n")
    return True


class OneEvent:
    """One flat event without lists, as checks read it.

    Attributes:
        values: Field to a column of one value.
        folded: Field to a column of one folded text.
        events: Itself.
    """

    __slots__ = ("events", "folded", "values")

    def __init__(self, shape: Shape, event: Event, text: str) -> None:
        # Attributes are set here, as a constructor in Python would cost as much as the rest.
        self.events = (event,)
        self.values = _OneValue()
        self.values.event = event
        self.folded = _OneText()
        self.folded.positions = shape.positions
        self.folded.lines = fold(text)
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
