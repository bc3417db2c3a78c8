"""The explanation of a correlation as lines for a person."""

from __future__ import annotations

from collections.abc import Iterator

from detector.explaining.correlations.model import CorrelationExplanation, GroupSeen, RuleSeen, WindowSeen
from detector.explaining.correlations.words import MAX_LISTED, events_text
from detector.explaining.text import Line

_ROLES = {"rule": "", "trigger": "trigger ", "missing": "missing ", "open": "open ", "close": "close "}


def lines_of_correlation(told: CorrelationExplanation, depth: int = 0) -> Iterator[Line]:
    """Yield the lines: the answer, what is missing, the rules with what matched them, then the groups."""
    verb = "fired" if told.fired else "did not fire"
    yield Line(depth, f"{told.rule_title} {verb}", told.fired, "good" if told.fired else "bad")
    yield Line(depth + 1, f"asks: {told.asks}", None, "dim")
    for note in told.notes:
        yield Line(depth + 1, f"note: {note}", None, "dim")
    if told.untimed:
        yield Line(depth + 1, f"note: without a time, and counted nowhere: {events_text(told.untimed)}")
    if told.blockers:
        yield Line(depth + 1, f"why not{_nearest(told)}:")
        yield from (Line(depth + 2, f"- {each}") for each in told.blockers)
    for rule in told.rules:
        yield from _rule(rule, depth + 1)
    for number, group in enumerate(told.groups):
        # What the nearest window misses has been said above.
        yield from _group(group, depth + 1, is_told=number == 0 and bool(told.blockers))
    if told.left_out:
        yield Line(depth + 1, f"… and {told.left_out} more groups, further away", None, "dim")


def _nearest(told: CorrelationExplanation) -> str:
    group = told.groups[0].group if told.groups else {}
    return f" (nearest: {_key(group)})" if group else ""


def _rule(rule: RuleSeen, depth: int) -> Iterator[Line]:
    what = f"{_ROLES[rule.role]}{rule.name}"
    if rule.inner is not None:
        yield Line(depth, f"{what}: never fired", False, "bad")
        yield from lines_of_correlation(rule.inner, depth + 1)
        return
    wanted = rule.role not in {"missing", "close"}
    if not rule.matched:
        yield Line(depth, f"{what}: no event matched", False if wanted else None, "bad" if wanted else "")
    else:
        events = f" ({events_text(rule.events)})" if rule.events else ""
        unit = "event" if rule.events else "firing"
        yield Line(depth, f"{what}: {rule.matched} {unit}{'s' if rule.matched > 1 else ''}{events}", True)
    if rule.without_key:
        fields = " and ".join(f"`{path}`" for path in rule.lacking)
        yield Line(depth + 1, f"left out for want of {fields}: {events_text(rule.without_key)}", None, "bad")
    if rule.closest is not None and wanted:
        near = rule.closest
        blockers = "; ".join(near.blockers[:MAX_LISTED])
        yield Line(depth + 1, f"closest was event {near.event_index}: {blockers}")


def _group(group: GroupSeen, depth: int, *, is_told: bool) -> Iterator[Line]:
    verb = "fired" if group.fired else "did not fire" if group.windows else "did not fire: nothing begins a window"
    if group.group:
        yield Line(depth, f"{_key(group.group)} {verb}", group.fired, "good" if group.fired else "bad")
        depth += 1
    for number, window in enumerate(group.windows):
        yield from _window(window, depth, is_told=is_told and number == 0)
    if group.left_out:
        yield Line(depth, f"… and {group.left_out} more windows", None, "dim")


def _window(window: WindowSeen, depth: int, *, is_told: bool) -> Iterator[Line]:
    times = f", {window.times} times" if window.times > 1 else ""
    yield Line(depth, f"{window.start} to {window.end}: {window.found}{times}", window.held, "")
    for each in window.candidates:
        value = f"  {each.value}" if each.value else ""
        yield Line(depth + 1, f"{each.time}  {each.rule}  {events_text(each.events)}{value}")
    if window.left_out:
        yield Line(depth + 1, f"… and {window.left_out} more", None, "dim")
    yield from (Line(depth + 1, each, False, "bad") for each in window.missing if not is_told)


def _key(group: dict[str, str | None]) -> str:
    return ", ".join(f"{name}={'null' if value is None else value}" for name, value in group.items())
