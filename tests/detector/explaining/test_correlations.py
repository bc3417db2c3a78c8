"""What is said of a correlation that fired, and of one that did not."""

from __future__ import annotations

from typing import Any

import pytest

from detector.engine import Engine
from detector.errors import UnknownRuleError
from detector.explaining.correlations.lines import lines_of_correlation
from detector.explaining.correlations.model import CorrelationExplanation
from detector.rules.loader import load_rules
from tests.detector.correlation.driving import rule

RULES = "---\n".join(rule(name, name) for name in ("a", "b", "c"))
INNER = (
    "---\ntitle: Twice\nname: twice\n"
    "correlation: {type: event_count, rules: [a], group-by: [u], timespan: 1m, condition: {gte: 2}}\n"
)


def _told(body: str, *events: tuple[str, float, object], **more: Any) -> CorrelationExplanation:  # noqa: ANN401
    given = [{"@timestamp": 1_000 + time_s, "event.action": name, "u": key, **more} for name, time_s, key in events]
    text = f"{RULES}{INNER}---\ntitle: T\nname: t\ncorrelation: {{group-by: [u], {body}}}\n"
    return Engine(load_rules(text)).explain_correlation("t", given)


COUNT = "type: event_count, rules: [a], timespan: 10s, condition: {gte: 3}"
VALUES = "type: value_count, rules: [a], timespan: 10s, condition: {gte: 3, field: v}"
TEMPORAL = "type: temporal, rules: [a, b, c], timespan: 10s"
ORDERED = "type: temporal_ordered, rules: [a, b, c], timespan: 10s"
CERTAIN = f"{ORDERED}, order: certain"
ABSENCE = "type: absence, trigger: a, missing: [b], timespan: 10s"
DURING = "type: during, trigger: c, open: [a], close: [b], max_age: 10s"
WORDS = "type: temporal, timespan: 10s, condition: 'a and b and not c'"
STEPS = "type: temporal_ordered, timespan: 10s, condition: 'a and b and not c'"
NESTED = "type: temporal_ordered, rules: [twice, b], timespan: 10s"

CASES: dict[str, tuple[str, list[tuple[str, float, object]], tuple[str, ...]]] = {
    "too few in all": (
        COUNT,
        [("a", 0, 1), ("a", 1, 1)],
        ("2 events within 10 s, not at least 3", "this group has 2 in all"),
    ),
    "too far apart": (
        COUNT,
        [("a", 0, 1), ("a", 5, 1), ("a", 80, 1), ("a", 85, 1), ("a", 91, 1)],
        (
            "2 events within 10 s, not at least 3",
            "the nearest 3 (event 2 to event 4) lie 11 s apart, 1 s too far",
        ),
    ),
    "no such field": (
        VALUES,
        [("a", 0, 1), ("a", 1, 1)],
        ("0 distinct values of v within 10 s, not at least 3", "event 0: no value of v that counts"),
    ),
    "a rule too late": (
        TEMPORAL,
        [("a", 0, 1), ("b", 4, 1), ("c", 80, 1)],
        ("2 of 3 rules within 10 s, not at least 3", "`c`: the nearest match was event 2, 70 s too late"),
    ),
    "a rule for another group": (
        TEMPORAL,
        [("a", 0, 1), ("b", 4, 1), ("c", 5, 2)],
        (
            "2 of 3 rules within 10 s, not at least 3",
            "`c`: no match in this group; it matched event 2, but for u=2",
        ),
    ),
    "a rule for several other groups": (
        TEMPORAL,
        [("a", 0, 1), ("b", 4, 1), ("c", -50, 2), ("c", 5, 3), ("c", 90, 4)],
        ("2 of 3 rules within 10 s, not at least 3", "`c`: no match in this group; it matched event 3, but for u=3"),
    ),
    "a rule without the key": (
        TEMPORAL,
        [("a", 0, 1), ("b", 4, 1), ("c", 5, None)],
        (
            "2 of 3 rules within 10 s, not at least 3",
            "`c`: no match in this group; it matched event 2, without u",
        ),
    ),
    "wrong order": (
        ORDERED,
        [("a", 0, 1), ("c", 2, 1), ("b", 3, 1)],
        ("order: `c` (event 1) came 1 s before `b` (event 2)",),
    ),
    "no order": (
        CERTAIN,
        [("a", 0, 1), ("b", 3, 1), ("c", 3, 1)],
        ("order: `c` (event 2) has the same time as `b` (event 1), and `order: certain` asks for a later one",),
    ),
    "a step too late": (
        ORDERED,
        [("a", 0, 1), ("b", 3, 1), ("c", 12, 1)],
        ("`c`: the nearest match was event 2, 2 s too late",),
    ),
    "a step too late here, in time elsewhere": (
        ORDERED,
        [("a", 0, 1), ("b", 3, 1), ("c", 9, 2), ("c", 12, 1)],
        ("`c`: the nearest match was event 3, 2 s too late; in time, it matched event 2, but for u=2",),
    ),
    "no first step": (ORDERED, [("b", 3, 1), ("c", 12, 1)], ("`a`: no match",)),
    "a partner": (
        ABSENCE,
        [("a", 0, 1), ("b", 10, 1)],
        ("`b` came (event 1, 10 s after event 0), so the absence does not hold",),
    ),
    "a trigger in one group, the rest in another": (
        DURING,
        [("a", 0, 1), ("b", 1, 1), ("c", 2, 2)],
        ("`a`: no match in this group; it matched event 0, but for u=1",),
    ),
    "closed": (DURING, [("a", 0, 1), ("b", 2, 1), ("c", 3, 1)], ("`a` (event 0) was closed by `b` (event 1) before",)),
    "open too long ago": (DURING, [("a", 0, 1), ("c", 12, 1)], ("`a`: the nearest match was event 0, 2 s too early",)),
    "open too short": (
        f"{DURING}, for: 5s",
        [("a", 0, 1), ("c", 2, 1)],
        ("`a` (event 0) was open for 2 s, not 5 s",),
    ),
    "open in the same place": (
        f"{DURING}, distinct: u",
        [("a", 0, 1), ("c", 2, 1)],
        ("`a` (event 0) has the same `u` 1, and must differ",),
    ),
    "open, and none must be": (
        f"{DURING}, count: {{lt: 1}}",
        [("a", 0, 1), ("c", 2, 1)],
        ("1 open at event 1, not fewer than 1",),
    ),
    "what must not come": (
        WORDS,
        [("a", 0, 1), ("b", 1, 1), ("c", 2, 1)],
        ("`c` came (event 2, 2 s after event 0), and must not",),
    ),
    "steps in the wrong order": (
        STEPS,
        [("a", 3, 1), ("b", 1, 1)],
        ("`b`: the nearest match was event 1, 2 s too early",),
    ),
    "inner correlation": (NESTED, [("a", 0, 1), ("b", 1, 1)], ("`twice`: no match",)),
    "inner correlation too early": (
        NESTED,
        [("a", 0, 1), ("a", 1, 1), ("b", 15, 1)],
        ("`b`: the nearest match was event 2, 4 s too late",),
    ),
    "nothing at all": (COUNT, [("x", 0, 1)], ("a: no event matched",)),
    "no key anywhere": (
        COUNT,
        [("a", 0, None), ("a", 1, None)],
        ("a: 2 matching events have no `u`, and are left out",),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_missing(name: str) -> None:
    body, events, expected = CASES[name]
    told = _told(body, *events)
    assert not told.fired
    assert told.blockers == expected


def test_where_it_fired_and_which_events_decided() -> None:
    told = _told(COUNT, ("a", 0, 1), ("a", 1, 1), ("a", 2, 1), ("a", 3, 1), ("a", 60, 1), ("a", 61, 1), ("a", 62, 1))
    assert (told.fired, told.blockers) == (True, ())
    [group] = told.groups
    found = [([each.events for each in window.candidates], window.times) for window in group.windows]
    assert found == [([(0,), (1,), (2,)], 2), ([(4,), (5,), (6,)], 1)]
    assert (group.windows[0].start, group.windows[0].end) == ("1970-01-01T00:16:40Z", "1970-01-01T00:16:43Z")


def test_an_inner_correlation_that_never_fired_is_explained_too() -> None:
    told = _told(NESTED, ("a", 0, 1), ("b", 1, 1))
    inner = told.rules[0].inner
    assert inner is not None
    assert inner.blockers == ("1 event within 1 m, not at least 2", "this group has 1 in all")


def test_a_result_counts_by_the_events_it_rests_on() -> None:
    told = _told(NESTED, ("a", 0, 1), ("a", 1, 1), ("b", 5, 1))
    assert told.fired
    assert [each.events for each in told.groups[0].windows[0].candidates] == [(0, 1), (2,)]


def test_a_rule_that_no_event_matched_shows_the_closest() -> None:
    told = _told(TEMPORAL, ("a", 0, 1), ("bb", 1, 1))
    closest = told.rules[1].closest
    assert closest is not None
    assert closest.blockers == ("s: event.action: 'b' - has 'bb': contains it, with more around",)


def test_groups_and_windows_are_bounded_the_nearest_first() -> None:
    events = [("a", 100.0 * number + step, number) for number in range(20) for step in range(1 + (number == 13))]
    told = _told(COUNT, *events)
    assert told.groups[0].group == {"u": "13"}
    assert (len(told.groups), told.left_out) == (5, 15)
    triggers = [("a", 20.0 * number, 1) for number in range(9)] + [("b", 20.0 * number + 1, 1) for number in range(9)]
    [group] = _told(ABSENCE, *triggers).groups
    assert (len(group.windows), group.left_out) == (3, 6)
    crowd = [("a", number / 100, 1) for number in range(40)]
    [window] = _told(COUNT.replace("3", "50"), *crowd).groups[0].windows
    assert (len(window.candidates), window.left_out, window.found) == (10, 30, "40 events")


def test_a_rule_is_no_correlation_and_a_correlation_no_rule() -> None:
    engine = Engine(load_rules(RULES + INNER))
    with pytest.raises(UnknownRuleError, match="use explain_correlation"):
        engine.explain("twice", {})
    with pytest.raises(UnknownRuleError, match="use explain"):
        engine.explain_correlation("a", [])


def test_text_names_what_is_missing_once() -> None:
    told = _told(NESTED, ("a", 0, 1), ("a", 1, 1), ("b", 15, 1))
    mark = {True: "✓ ", False: "✗ ", None: ""}
    assert ["  " * line.depth + mark[line.held] + line.text for line in lines_of_correlation(told)] == [
        "✗ T did not fire",
        "  asks: `twice`, `b` in this order within 10 s, for one u",
        "  why not (nearest: u=1):",
        "    - `b`: the nearest match was event 2, 4 s too late",
        "  ✓ twice: 1 firing",
        "  ✓ b: 1 event (event 2)",
        "  ✗ u=1 did not fire",
        "    ✗ 1970-01-01T00:16:41Z to 1970-01-01T00:16:51Z: 1 of 2 steps",
        "      1970-01-01T00:16:41Z  twice  events 0, 1",
    ]
