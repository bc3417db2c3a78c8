"""What a stream looks like: how often a literal occurs, counted on events of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from detector.matching.terms import KEYWORD, SEPARATOR, Kind
from detector.matching.values import fold, text_of

MAX_EVENTS = 256
MAX_TEXT = 2_048
"""Characters of one value that are looked at."""

_ABSENT = 1e-4
"""Expected hits an event of a field that the sample never has: hardly any, yet fewer literals are better."""

_UNSEEN = 0.3
_PRESENCE = 3.0
"""Cost of trying a rule whenever a field is there, against one hit of a literal."""


class Sample:
    """Events of one log source.

    Args:
        events: Flat fields; the newest `MAX_EVENTS` are looked at.
    """

    def __init__(self, events: Sequence[Mapping[str, Any]]) -> None:
        self._events = events[-MAX_EVENTS:]
        self._columns: dict[str, str] = {}
        self._known: dict[tuple[str, Kind, str], float] = {}

    def __len__(self) -> int:
        return len(self._events)

    def has(self, path: str) -> bool:
        """Return whether any event has a value there."""
        return bool(self._column(path))

    def frequency(self, path: str, kind: Kind, literal: str) -> float:
        """Return how many hits an event to expect of a literal; longer ones are thought rarer where none was seen."""
        key = (path, kind, literal)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._count(path, kind, literal)
        return known

    def presence(self, path: str) -> float:
        """Return the cost of trying a rule on each event that has a value there."""
        return _PRESENCE if self.has(path) else 2 * _ABSENT

    def _count(self, path: str, kind: Kind, literal: str) -> float:
        column = self._column(path)
        if not column:
            return _ABSENT
        prior = _UNSEEN / 3 * math.exp(-len(literal) / 4) + _ABSENT
        return column.count(framed(path, kind, literal)) / len(self._events) + prior

    def _column(self, path: str) -> str:
        column = self._columns.get(path)
        if column is None:
            texts = list(self._texts(path))
            column = SEPARATOR.join(["", *texts, ""]) if texts else ""
            self._columns[path] = column
        return column

    def _texts(self, path: str) -> list[str]:
        values = list[Any]()
        for event in self._events:
            values.extend(event.values() if path == KEYWORD else (event.get(path),))
        texts = list[str]()
        for value in values:
            for each in value if isinstance(value, list) else (value,):
                text = text_of(each)
                if text is not None:
                    texts.append(fold(text[:MAX_TEXT]).replace(SEPARATOR, "\r"))
        return texts


def framed(path: str, kind: Kind, literal: str) -> str:
    """Return a literal with the separators that stand for the beginning and end of a value."""
    if path == KEYWORD or kind == "within":
        return literal
    before = SEPARATOR if kind in {"equal", "prefix"} else ""
    after = SEPARATOR if kind in {"equal", "suffix"} else ""
    return f"{before}{literal}{after}"
