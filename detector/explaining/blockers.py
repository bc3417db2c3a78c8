"""The fewest things that stand between an event and a match, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from detector.explaining.judging import Judged
from detector.explaining.telling import tell_test
from detector.explaining.wording import asked, because
from detector.matching.fields import Fields

MAX_BLOCKERS = 5
"""Sentences that are given; who is further away has another event."""

MAX_EQUAL = 20
"""Alternatives of equal distance that are compared more closely."""

_SLIPS = frozenset({"case", "whitespace", "slashes", "place", "more"})


def blockers(judged: Judged, fields: Fields) -> Iterator[str]:
    """Yield what would have to be otherwise for a part to hold; nothing when it does."""
    if judged.held:
        return
    kind = judged.outline.kind
    if kind == "test":
        test = tell_test(judged, fields)
        texts = iter([f"{asked(test)} - {because(test)}"])
    elif kind == "not":
        texts = _standing(judged.parts[0], fields)
    else:
        parts = judged.parts if kind == "all" else (_nearest(judged.parts, fields),)
        texts = (text for part in parts for text in blockers(part, fields))
    yield from _named(judged, texts)


def _nearest(parts: tuple[Judged, ...], fields: Fields) -> Judged:
    """Return the alternative for which least would have to change; of several, the one that is nearly there."""
    least = min(part.repair for part in parts)
    equal = [part for part in parts if part.repair == least][:MAX_EQUAL]
    return max(equal, key=lambda part: slips(part, fields)) if len(equal) > 1 else equal[0]


def slips(judged: Judged, fields: Fields) -> int:
    """Count the tests of a part that fail by a slip only, such as another case or a field's other name."""
    if judged.held:
        return 0
    if judged.outline.kind == "test":
        test = tell_test(judged, fields)
        return test.reason in _SLIPS or bool(test.near_fields)
    return sum(slips(part, fields) for part in judged.parts)


def _standing(judged: Judged, fields: Fields) -> Iterator[str]:
    """Yield what holds although it must not."""
    kind = judged.outline.kind
    if kind == "test":
        test = tell_test(judged, fields)
        had = "" if test.had is None else f": has {test.had}"
        texts = iter([f"{asked(test)} - holds, and must not{had}"])
    elif kind == "not":
        texts = blockers(judged.parts[0], fields)
    elif kind == "any":
        texts = (text for part in judged.parts if part.held for text in _standing(part, fields))
    else:
        texts = _standing(min(judged.parts, key=lambda part: part.damage), fields)
    yield from _named(judged, texts)


def _named(judged: Judged, texts: Iterator[str]) -> Iterator[str]:
    name = judged.outline.name
    return (f"{name}: {text}" if name else text for text in texts)
