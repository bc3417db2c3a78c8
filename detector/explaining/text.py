"""Explanations as lines for a person: a mark, a depth and one clause each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from detector.explaining.model import Comparison, Explanation, Part
from detector.explaining.wording import asked, because

MAX_SHOWN = 6
"""Alternatives that are shown of one `any`; the others differ no less."""


class Line(msgspec.Struct, frozen=True):
    """One line of an explanation.

    Attributes:
        depth: Levels of indentation.
        text: One clause.
        held: Marked with ✓ or ✗; None: no mark.
        tone: Whether it speaks for the match or against it; empty: neither.
    """

    depth: int
    text: str
    held: bool | None = None
    tone: Literal["good", "bad", "dim", ""] = ""


def lines_of(explanation: Explanation) -> Iterator[Line]:
    """Yield the lines of an explanation: the answer first, then what stands in the way, then the whole condition."""
    place = "the event" if explanation.event_index is None else f"event {explanation.event_index}"
    verb = "matches" if explanation.matched else "does not match"
    tone: Literal["good", "bad"] = "good" if explanation.matched else "bad"
    yield Line(0, f"{explanation.rule_title} {verb} {place}", explanation.matched, tone)
    for note in explanation.notes:
        yield Line(1, f"note: {note}", None, "dim")
    if len(explanation.blockers) == 1:
        yield Line(1, f"because of one thing: {explanation.blockers[0]}")
    elif explanation.blockers:
        yield Line(1, "because of:")
        yield from (Line(2, f"- {each}") for each in explanation.blockers)
    check = explanation.logsource
    if check.rule:
        asked = ", ".join(f"{part} {value}" for part, value in check.rule.items())
        unsaid = "" if check.event else " (the event names none, so every rule is tried)"
        yield _marked(1, f"log source: {check.why or asked + unsaid}", held=check.held, wanted=True)
    yield from _part(explanation.condition, 1, wanted=True)


def _part(part: Part, depth: int, *, wanted: bool) -> Iterator[Line]:
    if part.test is not None:
        yield from _test(part, part.test, depth, wanted=wanted)
    elif part.kind == "not":
        yield from _not(part, depth, wanted=wanted)
    else:
        # The tests of a selection are joined by `all`, unless it is a list.
        how = "" if part.name and part.kind == "all" else f"{part.kind} of:"
        yield _marked(depth, f"{part.name} {how}".strip(), held=part.held, wanted=wanted)
        shown = _shown(part)
        for below in shown:
            yield from _part(below, depth + 1, wanted=wanted)
        left = len(part.parts) - len(shown) + part.left_out
        if left:
            yield Line(depth + 1, f"… and {left} that {'do' if left > 1 else 'does'} not hold", None, "dim")


def _not(part: Part, depth: int, *, wanted: bool) -> Iterator[Line]:
    inner = part.parts[0]
    names = [each for each in (inner.name, *(below.name for below in inner.parts)) if each]
    label = f"{part.name}: not" if part.name else "not"
    if part.held and names:
        listed = ", ".join(names[:MAX_SHOWN]) + (
            f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
        )
        yield _marked(depth, f"{label} {listed}", held=True, wanted=wanted)
        return
    yield _marked(depth, f"{label}:", held=part.held, wanted=wanted)
    # An `any` that stands alone under a `not` is told by those of it that hold.
    below = _shown(inner) if inner.kind == "any" and inner.held and not inner.name else [inner]
    for each in below:
        yield from _part(each, depth + 1, wanted=not wanted)


def _shown(part: Part) -> list[Part]:
    """Return the parts worth a line: of an `any` those that hold, else those with the fewest failing tests."""
    if part.kind == "all":
        return list(part.parts)
    if part.held:
        return [below for below in part.parts if below.held][:MAX_SHOWN]
    nearest = sorted(part.parts, key=_failing)[:MAX_SHOWN]
    return [below for below in part.parts if any(below is each for each in nearest)]


def _failing(part: Part) -> int:
    if part.test is not None:
        return not part.held
    return sum(map(_failing, part.parts))


def _test(part: Part, test: Comparison, depth: int, *, wanted: bool) -> Iterator[Line]:
    text = f"{part.name}: {asked(test)}" if part.name else asked(test)
    if not part.held:
        yield _marked(depth, text, held=False, wanted=wanted)
        yield Line(depth + 2, because(test), None, "" if wanted else "dim")
    else:
        where = f" - has {test.had}" if test.had is not None else f" - {test.why}" if test.why else ""
        yield _marked(depth, f"{text}{where}", held=True, wanted=wanted)


def _marked(depth: int, text: str, *, held: bool, wanted: bool) -> Line:
    return Line(depth, text, held, "good" if held == wanted else "bad")
