"""A `temporal` alert that says what ends it: it goes on until then, and tells of the end."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.alert import AlertDraft
from detector.errors import RuleErrors
from detector.rules.loader import load_rules
from detector.rules.meaning import meaning_of_correlation
from tests.detector.correlation.driving import Arrival, Bench, rule

BODY = "type: temporal\n  rules: [a, b]\n  close: [z]\n  group-by: [host.name]\n  timespan: 60s\n  max_episode: 1d"
RULES = "---\n".join(rule(action, action) for action in "abz")
TEXT = f"{RULES}---\ntitle: t\nname: t\ncorrelation:\n  {BODY}\n"
DAY_S = 86_400


def _event(number: int, action: str, second: float) -> Arrival:
    return Arrival(f"{number:04d}", second, second, {"event.action": action, "host.name": "h"})


def _told(*steps: tuple[str, float]) -> list[tuple[str, int, float, list[str]]]:
    """Return status, count, end and steps of each alert."""
    events = [_event(number, *step) for number, step in enumerate(steps)]
    drafts = Bench(TEXT).run(events).values()
    return [_summary(draft) for draft in sorted(drafts, key=lambda each: each.opened_ns)]


def _summary(draft: AlertDraft) -> tuple[str, int, float, list[str]]:
    return draft.status, draft.count, draft.last_ns / 1e9, [step.event_id for step in draft.steps]


def test_it_goes_on_until_it_is_closed_however_long_that_takes() -> None:
    far = ("a", 3 * DAY_S)
    assert _told(("a", 0), ("b", 10), ("z", 50_000), far) == [("closed", 1, 50_000, ["0000", "0001", "0002"])]


def test_the_end_is_written_into_its_last_revision() -> None:
    (draft,) = (
        Bench(TEXT).run([_event(n, *step) for n, step in enumerate((("a", 0), ("b", 10), ("z", 5_000)))]).values()
    )
    assert (draft.status, draft.reason) == ("closed", "over: z at h")


def test_without_an_end_it_is_closed_after_its_longest_episode() -> None:
    assert _told(("a", 0), ("b", 10), ("a", 3 * DAY_S)) == [("closed", 1, 10, ["0000", "0001"])]


def test_what_begins_again_within_a_timespan_is_the_same_alert() -> None:
    told = _told(("a", 0), ("b", 10), ("z", 20), ("a", 40), ("z", 70))
    assert told == [("closed", 2, 70, ["0000", "0001", "0002", "0003", "0004"])]


def test_what_begins_again_later_is_another() -> None:
    told = _told(("a", 0), ("b", 10), ("z", 20), ("a", 400), ("b", 410), ("z", 450))
    assert [(status, last_s) for status, _, last_s, _ in told] == [("closed", 20), ("closed", 450)]


def test_an_end_before_the_last_evidence_is_none() -> None:
    assert _told(("a", 0), ("z", 5), ("b", 10)) == [("closed", 1, 10, ["0000", "0002"])]


def test_what_had_ended_before_it_was_found_is_told_and_closed() -> None:
    """A match that comes late completes what had ended meanwhile."""
    late = msgspec.structs.replace(_event(0, "a", 0), ready_s=9)
    events = [late, _event(1, "b", 1), _event(2, "z", 5)]
    assert [_summary(each) for each in Bench(TEXT).run(events).values()] == [("closed", 1, 5, ["0000", "0001", "0002"])]


def test_an_end_from_before_is_none() -> None:
    assert _told(("z", 0), ("a", 5), ("b", 10), ("z", 50)) == [("closed", 1, 50, ["0001", "0002", "0003"])]
    assert _told(("z", 0), ("a", 1)) == []


STEPS = st.lists(st.tuples(st.sampled_from("abz"), st.sampled_from([0, 1, 30, 59, 61, 5_000, 90_000])), max_size=25)


@given(STEPS, st.integers(1, 3), st.lists(st.integers(0, 25), max_size=6), st.lists(st.booleans(), max_size=6))
@settings(deadline=None)
def test_batches_and_crashes_change_nothing(
    steps: list[tuple[str, int]], partitions: int, cuts: list[int], crashes: list[bool]
) -> None:
    second, events = 0, list[Arrival]()
    for number, (action, gap_s) in enumerate(steps):
        second += gap_s
        events.append(_event(number, action, second))
    bench = Bench(TEXT)
    whole = {key: _summary(draft) for key, draft in bench.run(events).items()}
    pieces = bench.run_in_pieces(events, partitions, cuts, crashes)
    assert {key: _summary(draft) for key, draft in pieces.items()} == whole


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("type: temporal\n  condition: a and not b\n  close: [z]\n  timespan: 60s", "a condition with `not` has none"),
        ("type: temporal\n  rules: [a, b]\n  close: [z]\n  refire: every\n  timespan: 60s", "`refire: every` has none"),
        ("type: temporal\n  rules: [a, b]\n  close: [b]\n  timespan: 60s", "cannot also be its `close`"),
        ("type: event_count\n  rules: [a]\n  close: [z]\n  timespan: 60s\n  condition: {gte: 1}", "no meaning"),
    ],
)
def test_where_it_means_nothing_it_is_refused(body: str, says: str) -> None:
    with pytest.raises(RuleErrors, match=says):
        load_rules(f"{RULES}---\ntitle: t\nname: t\ncorrelation:\n  {body}\n")


def test_rules_without_it_mean_what_they_meant() -> None:
    """It is in the meaning of those rules only that have it, so that alerts of others keep their ids."""
    for text, has_it in ((TEXT, True), (TEXT.replace("\n  close: [z]", ""), False)):
        ruleset = load_rules(text)
        (correlation,) = ruleset.correlations.values()
        hashes = {rule_id: each.meta.semantic_hash for rule_id, each in ruleset.rules.items()}
        meaning = meaning_of_correlation(correlation, hashes)
        assert isinstance(meaning, dict)
        assert ("close" in meaning) is has_it
