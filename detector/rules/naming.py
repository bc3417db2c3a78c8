"""Where in a condition each selection and filter of its author stands: for people, never for matching.

A place is a number: the parts of the tree counted from its root downwards, the first part of each first.
"""

from __future__ import annotations

from collections.abc import Sequence

from detector.rules.condition import And, Condition, Not, Or

Names = tuple[tuple[int, str], ...]
"""Places with the name of what begins there; a place may have two names, such as a filter that is one selection."""

Named = tuple[Condition, Names]


def joined(kind: type[And | Or], parts: Sequence[Named]) -> Named:
    """Join conditions, each of which keeps its names."""
    names = list[tuple[int, str]]()
    place = 1
    for condition, known in parts:
        names.extend((place + at, name) for at, name in known)
        place += size(condition)
    return kind(tuple(condition for condition, _ in parts)), tuple(names)


def size(condition: Condition) -> int:
    """Return how many parts a tree has, itself included."""
    match condition:
        case And(parts) | Or(parts):
            return 1 + sum(map(size, parts))
        case Not(part):
            return 1 + size(part)
        case _:
            return 1
