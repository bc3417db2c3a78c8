"""What one event may cost: of a larger one the beginning is looked at, by every path alike, and that is reported."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

MAX_FIELDS = 4_096
"""Fields of an event."""

MAX_VALUES = 4_096
"""Values in the lists and objects of an event: one in a list that rules read costs as much as a small event."""

MAX_DEPTH = 32
"""Lists and objects below each other."""


def is_large(event: Mapping[str, Any]) -> bool:
    """Return whether an event has more fields, more values in lists and objects, or more levels than are looked at."""
    if len(event) > MAX_FIELDS:
        return True
    left = MAX_VALUES
    for value in event.values():
        if isinstance(value, list | dict):
            left = _left(value, left, 1)
            if left < 0:
                return True
    return False


def beginning(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is looked at of a large event: its first fields, and the first values of its lists and objects."""
    copier = _Copier()
    return {name: copier.copy(value, 1) for name, value in islice(event.items(), MAX_FIELDS)}


def _left(value: Any, left: int, depth: int) -> int:  # noqa: ANN401  whatever JSON holds
    """Return how many values may follow those of a list or object; less than none when there are too many."""
    if depth > MAX_DEPTH:
        return -1
    left -= len(value)
    if left < 0:
        return left
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, list | dict):
            left = _left(each, left, depth + 1)
            if left < 0:
                return left
    return left


class _Copier:
    """Copies values until there were enough."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def copy(self, value: Any, depth: int) -> Any:  # noqa: ANN401  as above
        if not isinstance(value, list | dict):
            return value
        size = min(len(value), self._left) if depth <= MAX_DEPTH else 0
        self._left -= size
        if isinstance(value, dict):
            return {name: self.copy(each, depth + 1) for name, each in islice(value.items(), size)}
        return [self.copy(each, depth + 1) for each in islice(value, size)]
