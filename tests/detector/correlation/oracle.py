"""The obvious way: sort everything, look at every pair. Returns ids of the events that decide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from tests.detector.correlation.driving import Arrival


def _of(arrivals: Sequence[Arrival], action: str, key: object) -> list[Arrival]:
    found = [each for each in arrivals if each.fields["event.action"] == action and each.fields["user.name"] == key]
    return sorted(found, key=lambda each: (each.time_s, each.id))


def _keys(arrivals: Sequence[Arrival]) -> list[object]:
    return list(dict.fromkeys(each.fields["user.name"] for each in arrivals))


def event_count(arrivals: Sequence[Arrival], span_s: float, at_least: int) -> set[str]:
    """Anchors with enough events in the span that ends with them; ties in order of id."""
    found = set[str]()
    for key in _keys(arrivals):
        events = _of(arrivals, "a", key)
        for index, anchor in enumerate(events):
            window = [each for each in events[: index + 1] if each.time_s >= anchor.time_s - span_s]
            if len(window) >= at_least:
                found.add(anchor.id)
    return found


def temporal(arrivals: Sequence[Arrival], span_s: float, actions: Sequence[str]) -> set[str]:
    """Anchors around which every action happened, as far as it had happened."""
    found = set[str]()
    for key in _keys(arrivals):
        events = sorted(
            (each for action in actions for each in _of(arrivals, action, key)), key=lambda each: (each.time_s, each.id)
        )
        for index, anchor in enumerate(events):
            near = {
                each.fields["event.action"]
                for each in events[: index + 1]
                if abs(each.time_s - anchor.time_s) <= span_s
            }
            if near == set(actions):
                found.add(anchor.id)
    return found


def ordered(arrivals: Sequence[Arrival], span_s: float, actions: Sequence[str]) -> set[str]:
    """Last events before which the others happened in order, all within the span; equal times may be any order."""

    def chain(key: object, before_s: float, start_s: float, left: Sequence[str]) -> bool:
        if not left:
            return True
        choices = [each for each in _of(arrivals, left[-1], key) if start_s <= each.time_s <= before_s]
        return any(chain(key, each.time_s, start_s, left[:-1]) for each in choices)

    return {
        last.id
        for key in _keys(arrivals)
        for last in _of(arrivals, actions[-1], key)
        if chain(key, last.time_s, last.time_s - span_s, actions[:-1])
    }


def extended(
    arrivals: Sequence[Arrival], span_s: float, anchors: str, holds: Callable[[set[object]], bool]
) -> set[tuple[object, float]]:
    """Keys and begins of windows, each from a match of an anchor, in which the condition holds."""
    found = set[tuple[object, float]]()
    for anchor in arrivals:
        key = anchor.fields["user.name"]
        end_s = anchor.time_s + span_s
        within = [each for each in arrivals if anchor.time_s <= each.time_s <= end_s]
        present: set[object] = {each.fields["event.action"] for each in within if each.fields["user.name"] == key}
        if str(anchor.fields["event.action"]) in anchors and holds(present):
            found.add((key, anchor.time_s))
    return found


def extended_ordered(
    arrivals: Sequence[Arrival], span_s: float, steps: str, unwanted: str
) -> set[tuple[object, float]]:
    """Keys and begins of windows, each from a first step, that hold all steps in order and nothing unwanted."""
    found = set[tuple[object, float]]()
    for first in arrivals:
        if first.fields["event.action"] != steps[0]:
            continue
        end_s = first.time_s + span_s
        within = [each for each in arrivals if first.time_s <= each.time_s <= end_s]
        own = [each for each in within if each.fields["user.name"] == first.fields["user.name"]]
        at_s: float | None = first.time_s
        for step in steps[1:]:
            times = [each.time_s for each in own if each.fields["event.action"] == step and each.time_s >= (at_s or 0)]
            at_s = min(times, default=None) if at_s is not None else None
        if at_s is not None and not any(str(each.fields["event.action"]) in unwanted for each in own):
            found.add((first.fields["user.name"], first.time_s))
    return found


def expressed(arrivals: Sequence[Arrival], span_s: float, holds: Callable[[set[object]], bool]) -> set[str]:
    """Events with which a condition without `not` holds over what has happened in the span that ends with them."""
    found = set[str]()
    for key in _keys(arrivals):
        events = sorted(
            (each for each in arrivals if each.fields["user.name"] == key), key=lambda each: (each.time_s, each.id)
        )
        for index, anchor in enumerate(events):
            within = [each for each in events[: index + 1] if each.time_s >= anchor.time_s - span_s]
            if holds({each.fields["event.action"] for each in within}):
                found.add(anchor.id)
    return found


def absence(arrivals: Sequence[Arrival], span_s: float) -> set[str]:
    """Triggers `a` without a `b` up to the span's end."""
    return {
        trigger.id
        for key in _keys(arrivals)
        for trigger in _of(arrivals, "a", key)
        if not any(trigger.time_s <= each.time_s <= trigger.time_s + span_s for each in _of(arrivals, "b", key))
    }


def during(arrivals: Sequence[Arrival], max_age_s: float) -> set[str]:
    """Triggers `c` while the newest `a` of the key is not followed by a `b` before the trigger."""
    found = set[str]()
    for key in _keys(arrivals):
        for trigger in _of(arrivals, "c", key):
            openers = [
                each for each in _of(arrivals, "a", key) if trigger.time_s - max_age_s <= each.time_s <= trigger.time_s
            ]
            if not openers:
                continue
            newest = openers[-1]
            closes = [each for each in _of(arrivals, "b", key) if newest.time_s <= each.time_s < trigger.time_s]
            if not closes:
                found.add(trigger.id)
    return found


def travel(arrivals: Sequence[Arrival], span_s: float, seconds: Callable[[object, object], float]) -> set[str]:
    """Events that some earlier one of their key, whatever both clocks, leaves too little time for."""
    ordered = sorted(arrivals, key=lambda each: (each.time_s, each.id))
    return {
        each.id
        for index, each in enumerate(ordered)
        for other in ordered[:index]
        if other.fields["user.name"] == each.fields["user.name"]
        and each.time_s - span_s <= other.time_s
        and each.time_s - other.time_s + each.uncertainty_s + other.uncertainty_s
        < seconds(other.fields["event.action"], each.fields["event.action"])
    }


def first_seen(arrivals: Sequence[Arrival], learn_s: float, horizon_s: float) -> set[str]:
    """Events whose action nobody of their key had done within the horizon before, once learning is over."""
    first_s = min((each.time_s for each in arrivals), default=0)
    ordered = sorted(arrivals, key=lambda each: (each.time_s, each.id))
    return {
        each.id
        for index, each in enumerate(ordered)
        if each.time_s >= first_s + learn_s
        and not any(
            (other.fields["user.name"], other.fields["event.action"])
            == (each.fields["user.name"], each.fields["event.action"])
            and other.time_s >= each.time_s - horizon_s
            for other in ordered[:index]
        )
    }


def changes(arrivals: Sequence[Arrival], horizon_s: float) -> set[str]:
    """Events whose action is another one than the last of their key, if that is no older than the horizon."""
    found = set[str]()
    for key in _keys(arrivals):
        ordered = sorted((e for e in arrivals if e.fields["user.name"] == key), key=lambda e: (e.time_s, e.id))
        for before, each in pairwise(ordered):
            is_fresh = before.time_s >= each.time_s - horizon_s
            if is_fresh and before.fields["event.action"] != each.fields["event.action"]:
                found.add(each.id)
    return found
