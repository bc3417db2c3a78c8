"""Events of a batch by log source and shape."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TypeVar

import msgspec

from detector.matching.columns import Column, Event
from detector.rules.model import LogSource

Key = TypeVar("Key", bound=Hashable)


class SourceFields(msgspec.Struct, frozen=True):
    """Events say themselves which log source they are of, in these fields."""

    category: str = "category"
    product: str = "product"
    service: str = "service"


Sources = SourceFields | LogSource | Sequence[LogSource]


class EventGroup:
    """Events of one log source with the same fields in the same order.

    Attributes:
        source: Their log source.
        names: The fields.
        events: The events.
        rows: Where they stand in the batch.
    """

    def __init__(self, source: LogSource, names: tuple[str, ...], events: Sequence[Event], rows: Sequence[int]) -> None:
        self.source = source
        self.names = names
        self.events = events
        self.rows = rows
        self._columns: list[Column] | None = None

    def columns(self) -> list[Column]:
        """Return the values of each field."""
        if self._columns is None:
            self._columns = list(zip(*[event.values() for event in self.events], strict=True))
        return self._columns

    def at(self, rows: Sequence[int]) -> EventGroup:
        """Return the group of a part of a batch, placed in the whole."""
        return EventGroup(self.source, self.names, self.events, [rows[row] for row in self.rows])


def groups_of(events: Sequence[Event], sources: Sources) -> Iterator[EventGroup]:
    """Yield the groups of a batch.

    Args:
        events: Flat or nested fields.
        sources: Where to read the log source of an event, or that of all events, or that of each.
    """
    if not events:
        return
    if isinstance(sources, LogSource):
        for names, group in _by_key(list(map(tuple, events)), events):
            yield EventGroup(sources, names, *group)
    elif isinstance(sources, SourceFields):
        for names, (members, rows) in _by_key(list(map(tuple, events)), events):
            yield from _by_fields(EventGroup(LogSource(), names, members, rows), sources)
    else:
        for (source, names), group in _by_key(list(zip(sources, map(tuple, events), strict=True)), events):
            yield EventGroup(source, names, *group)


def _by_fields(group: EventGroup, fields: SourceFields) -> Iterator[EventGroup]:
    names, columns = group.names, group.columns()
    asked = (fields.category, fields.product, fields.service)
    found = [columns[names.index(field)] if field in names else None for field in asked]
    if all(column is None or column.count(column[0]) == len(column) for column in found):
        group.source = _source(None if column is None else column[0] for column in found)
        yield group
        return
    keys = [_source(None if column is None else column[row] for column in found) for row in range(len(group.events))]
    for source, (members, rows) in _by_key(keys, group.events):
        yield EventGroup(source, names, members, [group.rows[row] for row in rows])


def _source(values: Iterator[object]) -> LogSource:
    return LogSource(*(value if isinstance(value, str) else None for value in values))


def _by_key(
    keys: Sequence[Key], events: Sequence[Event]
) -> Iterator[tuple[Key, tuple[Sequence[Event], Sequence[int]]]]:
    first = keys[0]
    if keys.count(first) == len(keys):
        yield first, (events, range(len(events)))
        return
    groups: dict[Key, list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    for key, rows in groups.items():
        yield key, ([events[row] for row in rows], rows)
