"""Shapes of events met one at a time, remembered within bounds."""

from __future__ import annotations

from collections.abc import Hashable

import msgspec

from detector.matching.planning import Planning
from detector.matching.single import Shape, shape_of

MAX_BYTES = 4 << 20
"""Names of fields that are held; beyond it all shapes are forgotten and learnt again."""

_ENTRY = 400
"""Bytes of a shape beside its names, and of each name beside its text."""


class KnownShape(msgspec.Struct):
    """A shape with the planning that serves its events."""

    planning: Planning
    shape: Shape


class Shapes:
    """Shapes by log source and fields."""

    def __init__(self) -> None:
        self.known: dict[Hashable, KnownShape] = {}
        self._bytes = 0

    def learn(self, key: Hashable, names: tuple[str, ...], planning: Planning) -> Shape:
        """Return the shape of events with these fields, under the plan in force."""
        known = self.known.get(key)
        if known is not None and known.shape.plan is planning.plan:
            return known.shape
        if known is None:
            self._bytes += _ENTRY + sum(map(len, names)) + _ENTRY * len(names) // 4
            if self._bytes > MAX_BYTES:
                self.known.clear()
                self._bytes = 0
        shape = shape_of(planning.plan, names)
        self.known[key] = KnownShape(planning, shape)
        return shape
