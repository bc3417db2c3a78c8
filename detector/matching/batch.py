"""Finding the groups of rules that the events of a batch bring up, column by column."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from detector.matching.columns import (
    SCALARS,
    Column,
    Event,
    Folded,
    NestedEventError,
    Values,
    fold_lines,
    has_kind,
    text_column,
)
from detector.matching.limits import is_large
from detector.matching.plan import FieldPlan, Plan
from detector.matching.terms import SEPARATOR

_DISTINCT_FROM = 8
"""Events from which it pays to look for repeated values."""

_DISTINCT_FACTOR = 4
"""Repeats that a value must have on average for its column to be reduced."""

_SKIP = 20
"""Batches for which a column that did not repeat is not tried again."""

Hits = dict[int, Collection[int]]
"""Group to the rows that bring it up."""


class Batch:
    """Events of one shape and log source.

    Attributes:
        values: Field to column of values.
        folded: Field to column of folded texts.
        events: The rows.
        listed: Fields that have a list in some row: checks that read columns do not know them.
    """

    def __init__(self, plan: Plan, names: Sequence[str], columns: Sequence[Column], events: Sequence[Event]) -> None:
        self._plan = plan
        self._columns = list(zip(names, columns, strict=True))
        self.events = events
        self.values = Values(dict(self._columns), len(events))
        self.folded = Folded(self.values, events)
        self.listed: set[str] = set()
        self._is_flat = False

    def hits(self, *, is_flat: bool) -> Hits:
        """Return which rows bring up which group.

        Args:
            is_flat: No event has objects to look into.

        Raises:
            NestedEventError: Some has, or has more than is looked at, and it is not said to be flat.
        """
        plan = self._plan
        self._is_flat = is_flat
        if not is_flat and plan.renames(self.values):
            raise NestedEventError
        found: dict[int, list[int]] = {}
        for path, column in self._columns:
            looks_inside = not is_flat and (plan.has_keywords or path in plan.heads)
            field = plan.field_of(path)
            if field.exact or field.indexes:
                lines = self._read(path, column, looks_inside=looks_inside)
                if lines.size:
                    _place(_hits(field, lines), lines, column, found)
            elif looks_inside or path in plan.reads:
                self._look_into(path, column, looks_inside=looks_inside)
        every = range(len(self.events))
        hits: Hits = {group: set(rows) for group, rows in found.items()}
        hits.update((group, every) for path, group in plan.present.items() if path in self.values)
        always = plan.always_of(self.values)
        if always is not None:
            hits[always] = every
        return hits

    def _look_into(self, path: str, column: Column, *, looks_inside: bool) -> None:
        """See whether a column that no anchor is in has objects or lists that a rule may ask for."""
        kinds = set(map(type, column))
        if kinds <= SCALARS:
            return
        has_lists = has_kind(kinds, list)
        if looks_inside and (has_lists or has_kind(kinds, dict)):
            raise NestedEventError
        if has_lists:
            if any(isinstance(each, dict | list) for value in column if isinstance(value, list) for each in value):
                raise NestedEventError
            self._note_lists(path)

    def _note_lists(self, path: str) -> None:
        if not self.listed and not self._is_flat and any(map(is_large, self.events)):
            raise NestedEventError
        self.listed.add(path)

    def _read(self, path: str, column: Column, *, looks_inside: bool) -> _Lines:
        """Fold a column into lines, and keep them for the checks."""
        distinct = self._distinct(path, column)
        values: Sequence[Any] = column if distinct is None else distinct
        rows = None
        try:
            text, is_exact = fold_lines(values)
        except TypeError:  # not all text
            kinds = set(map(type, column))
            if looks_inside and has_kind(kinds, dict):
                raise NestedEventError from None
            if has_kind(kinds, list):
                self._note_lists(path)
            values, rows = text_column(values)
            text, is_exact = fold_lines(values)
        if rows is None and is_exact and distinct is None:
            self.folded.joined[path] = text
        elif rows is None and is_exact and distinct is not None:
            self.folded.distinct[path] = (distinct, text)
        return _Lines(text, len(values), rows, distinct)

    def _distinct(self, path: str, column: Column) -> list[object] | None:
        """Return the values of a column without repeats, when there are few."""
        count = len(column)
        if count < _DISTINCT_FROM:
            return None
        skip = self._plan.skip
        left = skip.get(path, 0)
        if left > 0:
            skip[path] = left - 1
            return None
        try:
            distinct = set(column)
        except TypeError:
            distinct = None
        if distinct is None or len(distinct) * _DISTINCT_FACTOR > count or bool in set(map(type, column)):
            # 1 and true are one value of a set, yet not one text.
            skip[path] = _SKIP
            return None
        return list(distinct)


class _Lines(NamedTuple):
    """A column as text.

    Attributes:
        text: Folded, separated.
        size: How many lines.
        rows: Row of each line, where they are members of lists.
        distinct: Value of each line, where repeats were left out.
    """

    text: str
    size: int
    rows: list[int] | None
    distinct: list[object] | None


def _hits(field: FieldPlan, lines: _Lines) -> Iterable[tuple[int, int]]:
    """Return line and group of each anchor found."""
    hits: list[tuple[int, int]] = []
    if field.values:
        texts = lines.text.split(SEPARATOR)
        if not field.values.isdisjoint(texts):
            exact = field.exact
            hits.extend((line, exact[text]) for line, text in enumerate(texts) if text in exact)
    for index in field.indexes:
        numbers, groups = index.scanner.lines(f"{SEPARATOR}{lines.text}{SEPARATOR}", lines.size)
        if groups:
            hits.extend(zip(numbers, groups, strict=True))
    return hits


def _place(hits: Iterable[tuple[int, int]], lines: _Lines, column: Column, found: dict[int, list[int]]) -> None:
    """Turn lines into rows."""
    if lines.distinct is not None:
        groups: dict[object, list[int]] = {}
        for line, group in hits:
            groups.setdefault(lines.distinct[line], []).append(group)
        if groups:
            places = _rows_of(column, groups.keys())
            for value, numbers in groups.items():
                for group in numbers:
                    found.setdefault(group, []).extend(places[value])
        return
    rows = lines.rows
    for line, group in hits:
        places_of_group = found.get(group)
        if places_of_group is None:
            places_of_group = found[group] = []
        places_of_group.append(line if rows is None else rows[line])


def _rows_of(column: Column, values: Collection[object]) -> dict[object, list[int]]:
    places: dict[object, list[int]] = {value: [] for value in values}
    for row, value in enumerate(column):
        if value in places:
            places[value].append(row)
    return places
