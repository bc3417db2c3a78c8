"""Shapes of events met one at a time, remembered within bounds."""

from __future__ import annotations

from collections.abc import Hashable

import msgspec

from detector.matching.planning import Planning
from detector.matching.single import Shape, shape_of
from detector.rules.model import LogSource

MAX_BYTES = 4 << 20
"""Memory of all shapes, about; beyond it all are forgotten and learnt again."""

_ENTRY = 400
"""Bytes of a shape beside its names, and four times those of a name beside its text."""

_MAX_SHAPE = MAX_BYTES // 16
"""Bytes of a shape that is not remembered."""


class KnownShape(msgspec.Struct):
    """A shape with the log source of its events and the planning that serves them."""

    source: LogSource
    planning: Planning
    shape: Shape


class Shapes:
    """Shapes by log source and fields."""

    def __init__(self) -> None:
        self.known: dict[Hashable, KnownShape] = {}
        self._bytes = 0

    def learn(
        self, key: tuple[Hashable, ...], source: LogSource, names: tuple[str, ...], planning: Planning
    ) -> KnownShape:
        """Return the shape of events with these fields, under the plan in force."""
        known = self.known.get(key)
        if known is not None and known.shape.plan is planning.plan and known.planning is planning:
            return known
        made = KnownShape(source, planning, shape_of(planning.plan, names))
        if known is None:
            size = _ENTRY + sum(len(part) + _ENTRY // 4 for part in key if isinstance(part, str))
            if size > _MAX_SHAPE:
                return made
            self._bytes += size
            if self._bytes > MAX_BYTES:
                self.known.clear()
                self._bytes = size
        self.known[key] = made
        return made
