"""Anchors: terms of which an event must show one before a rule is tried at all.

Any necessary set will do for correctness; the sample only says which is cheapest on this stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from detector.matching.literals import needed_literals
from detector.matching.terms import ABSENT, KEYWORD, All, Any, No, Term, Terms, Test, Tree, all_of

_CHEAP = 1e-3
"""Tries an event below which no cheaper way is looked for."""


class Way(msgspec.Struct, frozen=True, gc=False):
    """One way to find a tree.

    Attributes:
        anchors: One of these is in every event that the tree holds for, or one of what each of `choices` chooses.
        choices: Ways, of each of which the cheapest is taken.
        is_proof: The anchors decide the tree, or the part of it that `part` names.
        part: Position of the part of an `All` that this finds; None for other trees.
    """

    anchors: tuple[Term, ...]
    choices: tuple[tuple[Way, ...], ...] = ()
    is_proof: bool = False
    part: int | None = None

    @property
    def proves_all(self) -> bool:
        """Whether nothing is left to check of a tree that is found so."""
        return self.is_proof and self.part is None


def ways_of(tree: Tree, terms: Terms) -> tuple[Way, ...]:
    """Return the ways to find a tree, short ones first; none when no term is necessary."""
    match tree:
        case Term():
            return (Way((tree,), is_proof=True),)
        case Test():
            return _test(tree, terms)
        case All(parts):
            found = [(number, way) for number, part in enumerate(parts) for way in ways_of(part, terms)]
            ways = [Way(way.anchors, way.choices, way.is_proof, number) for number, way in found]
            ways.sort(key=lambda way: len(way.anchors))
            return tuple(ways)
        case Any(parts):
            return _any(parts, terms)
        case No():
            return ()


def rest_of(tree: Tree, way: Way | None) -> Tree | None:
    """Return what is still to be checked of a tree that was found in a way; None when nothing."""
    if way is None or not way.is_proof:
        return tree
    if isinstance(tree, All):
        return all_of([part for number, part in enumerate(tree.parts) if number != way.part])
    return None


def has_choice(ways: Sequence[Way]) -> bool:
    """Return whether a stream decides how a tree is found."""
    return len(ways) > 1 or any(way.choices for way in ways)


class Costs(dict[Term, float]):
    """Tries of a rule an event to expect of each anchor."""

    def cheapest(self, ways: Iterable[Way]) -> tuple[Way, float]:
        """Return the cheapest of some ways and its cost."""
        best, least = Way(()), math.inf
        for way in ways:
            if len(way.anchors) * ABSENT >= least:
                continue
            cost = sum(map(self.__getitem__, way.anchors))
            for choice in way.choices:
                cost += self.cheapest(choice)[1]
            if cost < least:
                best, least = way, cost
                if cost < _CHEAP:
                    break
        return best, least

    def choose(self, ways: Sequence[Way]) -> Way:
        """Return the cheapest of some ways; the only one without counting what it costs."""
        return ways[0] if len(ways) == 1 else self.cheapest(ways)[0]

    def anchors(self, way: Way) -> tuple[Term, ...]:
        """Return the anchors of a way, those of its cheapest choices among them."""
        if not way.choices:
            return way.anchors
        chosen = (self.anchors(self.choose(choice)) for choice in way.choices)
        return tuple(dict.fromkeys((*way.anchors, *(anchor for each in chosen for anchor in each))))


def _test(test: Test, terms: Terms) -> tuple[Way, ...]:
    needed = needed_literals(test.leaf.test)
    ways = [Way(tuple(terms.of(test.path, "within", literal) for literal in sorted(each))) for each in needed]
    if test.kind in {"scalar", "other"} and test.path != KEYWORD:
        ways.append(Way((terms.of(test.path, "present", ""),)))
    return tuple(ways)


def _any(parts: Sequence[Tree], terms: Terms) -> tuple[Way, ...]:
    anchors: list[Term] = []
    choices: list[tuple[Way, ...]] = []
    is_proof = True
    for part in parts:
        if isinstance(part, Term):
            anchors.append(part)
            continue
        is_proof = False
        ways = ways_of(part, terms)
        if not ways:
            return ()
        if len(ways) == 1 and not ways[0].choices:
            anchors.extend(ways[0].anchors)
        else:
            choices.append(ways)
    return (Way(tuple(dict.fromkeys(anchors)), tuple(choices), is_proof),)
