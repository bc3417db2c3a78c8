"""Anchors: literals of which an event must show one before a rule is tried at all.

Any necessary set will do for correctness; the sample only says which is cheapest on this stream.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from detector.matching.literals import needed_literals
from detector.matching.sample import Sample
from detector.matching.terms import KEYWORD, All, Any, Kind, No, Term, Tree, all_of

_SCAN = 1.3
"""Cost of a hit in a scanned text against one in a table of exact values."""


class Anchor(NamedTuple):
    """A literal in a field; an empty one stands for the presence of any value."""

    path: str
    kind: Kind
    literal: str


class Need(msgspec.Struct, frozen=True):
    """What a tree needs.

    Attributes:
        cost: Tries to expect, an event.
        anchors: One of these is in every event that the tree holds for; None when no such set is known.
        rest: What is still to be checked once an anchor was seen; None when nothing.
    """

    cost: float
    anchors: tuple[Anchor, ...] | None
    rest: Tree | None


def need_of(tree: Tree, sample: Sample) -> Need:
    """Return the cheapest necessary literals of a tree."""
    match tree:
        case Term():
            return _term(tree, sample)
        case All(parts):
            return _all(tree, [need_of(part, sample) for part in parts])
        case Any(parts):
            return _any(tree, [need_of(part, sample) for part in parts])
        case No():
            return Need(0.0, None, tree)


def _term(term: Term, sample: Sample) -> Need:
    if term.is_literal and (term.literal or term.kind == "equal"):
        anchor = Anchor(term.path, term.kind, term.literal)
        return Need(_cost((anchor,), sample), (anchor,), None)
    needed = needed_literals(term.leaf.test)
    choices = [tuple(Anchor(term.path, "within", literal) for literal in sorted(each)) for each in needed]
    if term.kind in {"scalar", "other"} and term.path != KEYWORD:
        choices.append((Anchor(term.path, "exists", ""),))
    if not choices:
        return Need(0.0, None, term)
    best = min(choices, key=lambda each: _cost(each, sample))
    return Need(_cost(best, sample), best, term)


def _all(tree: All, needs: list[Need]) -> Need:
    best = min(
        (number for number, need in enumerate(needs) if need.anchors is not None),
        key=lambda number: needs[number].cost,
        default=None,
    )
    if best is None:
        return Need(0.0, None, tree)
    chosen = needs[best]
    others = [part for number, part in enumerate(tree.parts) if number != best]
    rest = all_of(others if chosen.rest is None else [*others, chosen.rest])
    return Need(chosen.cost, chosen.anchors, rest)


def _any(tree: Any, needs: list[Need]) -> Need:
    anchors = dict[Anchor, None]()
    for need in needs:
        if need.anchors is None:
            return Need(0.0, None, tree)
        anchors.update(dict.fromkeys(need.anchors))
    rest = None if all(need.rest is None for need in needs) else tree
    return Need(sum(need.cost for need in needs), tuple(anchors), rest)


def _cost(anchors: tuple[Anchor, ...], sample: Sample) -> float:
    total = 0.0
    for path, kind, literal in anchors:
        if kind == "exists":
            total += sample.presence(path)
        else:
            total += sample.frequency(path, kind, literal) * (1.0 if kind == "equal" else _SCAN)
    return total
