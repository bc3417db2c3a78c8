"""What a stream looks like: how often a literal occurs, counted on events of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from detector.matching.anchors import Costs
from detector.matching.terms import ABSENT, KEYWORD, SEPARATOR, Term
from detector.matching.values import fold, text_of

MAX_EVENTS = 256
"""Events that are looked at."""

_MAX_VALUE = 2_048
_MAX_MEMBERS = 64
"""Characters of one value and members of one list that are looked at."""

_MAX_EVENT = 16_384
"""Bytes of one event that are kept, about; a plan is to know what is usual, not what is huge."""

_ENTRY = 64
"""Bytes of a name or text beside its characters."""

Excerpt = Mapping[str, list[str]]
"""Field to its texts."""


class Sample(Costs):
    """What terms cost as anchors on some events."""

    def __init__(self) -> None:
        super().__init__()
        self._events: Sequence[Excerpt] = ()
        self._columns: dict[str, str] = {}
        self._present = frozenset[str]()

    def see(self, events: Sequence[Excerpt]) -> None:
        """Count on what was kept of these events."""
        self._events = events
        self._present = frozenset().union(*events)

    def __missing__(self, term: Term) -> float:
        cost = self[term] = self._count(term)
        return cost

    def has(self, path: str) -> bool:
        """Return whether any event has a field."""
        return path in self._present

    def chance(self, term: Term) -> float:
        """Return the part of events to expect that show a literal."""
        return self[term] / term.weight

    def forget_events(self) -> None:
        """Keep what was counted, not the events; literals asked for later are taken for unseen ones."""
        self._events = ()
        self._columns.clear()

    def _count(self, term: Term) -> float:
        path = term.path
        if path not in self._present and path != KEYWORD:
            return ABSENT
        if term.kind == "present":
            return term.weight
        column = self._columns.get(path)
        if column is None:
            column = self._columns[path] = SEPARATOR.join(["", *self._texts(path), ""])
        seen = column.count(term.framed) / (len(self._events) or 1)
        return (seen + term.unseen) * term.weight

    def _texts(self, path: str) -> Iterator[str]:
        for event in self._events:
            for texts in event.values() if path == KEYWORD else (event.get(path, ()),):
                for text in texts:
                    yield fold(text).replace(SEPARATOR, "\r")


def excerpt(event: Mapping[str, Any]) -> Excerpt:
    """Return what a sample keeps of an event: so much of it that no event makes the sample large."""
    kept = dict[str, list[str]]()
    left = _MAX_EVENT
    for name, value in event.items():
        members = value[:_MAX_MEMBERS] if isinstance(value, list) else (value,)
        texts = [text[:_MAX_VALUE] for each in members if (text := text_of(each)) is not None]
        left -= len(name) + sum(map(len, texts)) + _ENTRY * (1 + len(texts))
        if left < 0:
            break
        kept[name] = texts
    return kept
