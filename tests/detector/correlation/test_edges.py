"""Edges of windows, order, groups and episodes, each by its name."""

from __future__ import annotations

from detector.alert import AlertDraft
from detector.correlation.routing import CandidateRouter
from detector.task import EngineEvent, PartitionClock
from normalizers.event import EcsEvent, Value
from tests.detector.correlation.driving import SECOND, Arrival, Bench, collected, rule

AB = f"{rule('r_a', 'a')}---\n{rule('r_b', 'b')}"


def _bench(body: str, *, uncertainty_s: float = 0.0, more: str = "") -> Bench:
    text = f"{AB}---\ntitle: t\nname: t\nlevel: high\ncorrelation:\n{body}"
    return Bench(text + more, uncertainty_s=uncertainty_s)


def _event(
    name: str,
    action: str,
    time_s: float,
    doubt_s: float = 0.0,
    *,
    ready_s: float | None = None,
    fields: dict[str, Value] | None = None,
) -> Arrival:
    own: dict[str, Value] = {"event.action": action, "user.name": "x", **(fields or {})}
    return Arrival(name, time_s, time_s if ready_s is None else ready_s, own, doubt_s, source=f"s-{action}")


def _only(drafts: dict[str, AlertDraft]) -> AlertDraft:
    assert len(drafts) == 1, drafts
    return next(iter(drafts.values()))


COUNT = "  type: event_count\n  rules: [r_a]\n  group-by: [user.name]\n  timespan: 10s\n  condition: {gte: 2}\n"
ORDERED = "  type: temporal_ordered\n  rules: [r_a, r_b]\n  group-by: [user.name]\n  timespan: 10s\n"


def test_both_ends_of_a_window_belong_to_it() -> None:
    assert len(_bench(COUNT).run([_event("1", "a", 0), _event("2", "a", 10)])) == 1
    assert not _bench(COUNT).run([_event("1", "a", 0), _event("2", "a", 10.000001)])


def test_an_episode_is_one_alert_and_closes_a_timespan_after_it_ended() -> None:
    draft = _only(_bench(COUNT).run([_event(str(n), "a", n) for n in range(5)]))
    assert (draft.status, draft.count) == ("closed", 4)
    assert [step.event_id for step in draft.steps] == ["0", "1", "2", "3", "4"]


def test_a_new_episode_after_a_quiet_timespan_is_a_new_alert() -> None:
    times = [0, 1, 40, 41]
    assert len(_bench(COUNT).run([_event(str(n), "a", time_s) for n, time_s in enumerate(times)])) == 2


def test_refire_every_alerts_on_each_further_match() -> None:
    assert len(_bench(COUNT + "  refire: every\n").run([_event(str(n), "a", n) for n in range(5)])) == 4


def test_a_late_event_is_counted_where_it_happened_and_marked() -> None:
    draft = _only(_bench(COUNT).run([_event("1", "a", 100), _event("2", "a", 101, ready_s=130)]))
    assert draft.late


def test_an_event_older_than_every_window_is_a_dead_letter() -> None:
    bench = _bench(COUNT)
    correlator = bench.correlator()
    outputs = correlator.process(bench.candidates(_event("1", "a", 0, ready_s=500)))
    outputs += correlator.finish()
    assert [type(each).__name__ for each in outputs] == ["DeadLetter"]


def test_order_is_certain_only_when_intervals_do_not_touch() -> None:
    certain = _only(_bench(ORDERED).run([_event("1", "a", 0, 1), _event("2", "b", 2.5, 1)]))
    possible = _only(_bench(ORDERED).run([_event("1", "a", 0, 1), _event("2", "b", 1, 1)]))
    assert (certain.order, possible.order) == ("certain", "possible")


def test_order_certain_asks_for_it() -> None:
    assert not _bench(ORDERED + "  order: certain\n").run([_event("1", "a", 0, 1), _event("2", "b", 1, 1)])


def test_uncertainty_can_turn_the_apparent_order_round() -> None:
    drafts = _bench(ORDERED).run([_event("1", "b", 0, 1), _event("2", "a", 0.5, 1)])
    assert _only(drafts).order == "possible"
    assert not _bench(ORDERED).run([_event("1", "b", 0), _event("2", "a", 0.5)])


def test_uncertainty_widens_a_window_up_to_its_cap() -> None:
    far = [_event("1", "a", 0, 3), _event("2", "b", 15, 3)]
    draft = _only(_bench(ORDERED).run(far))
    assert draft.widened_ns == 5 * SECOND
    assert not _bench(ORDERED + "  max_clock_uncertainty: 2s\n").run(far)


def test_a_clock_that_is_too_bad_for_a_rule_is_reported_once_an_hour() -> None:
    bench = _bench(ORDERED + "  max_clock_uncertainty: 1s\n")
    correlator = bench.correlator()
    events = [_event(str(n), action, n * 60, 5) for n in range(100) for action in "ab"]
    outputs = correlator.process([each for event in events for each in bench.candidates(event)]) + correlator.finish()
    gaps = [each for each in outputs if isinstance(each, EngineEvent)]
    assert [(each.source, each.kind, each.fields["rule.id"]) for each in gaps] == [
        (source, "coverage-gap", "t") for _ in range(2) for source in ("s-a", "s-b")
    ]
    assert len({each.id for each in gaps}) == 4
    assert gaps[0].fields["convergence.clock.uncertainty_ms"] == 5_000
    assert correlator.left_out()["in_doubt"] == 200


def test_one_event_cannot_be_two_steps() -> None:
    text = f"{rule('r_a', 'a')}---\n{rule('r_b', 'a')}---\ntitle: t\nname: t\ncorrelation:\n{ORDERED}"
    assert not Bench(text).run([_event("1", "a", 0)])


def test_k_of_n_counts_rules_not_events() -> None:
    body = "  type: temporal\n  rules: [r_a, r_b]\n  group-by: [user.name]\n  timespan: 10s\n  condition: {gte: 2}\n"
    assert not _bench(body).run([_event("1", "a", 0), _event("2", "a", 1)])
    assert _bench(body).run([_event("1", "a", 0), _event("2", "b", 1)])


def test_less_than_is_decided_when_events_expire_and_never_by_nothing() -> None:
    body = "  type: event_count\n  rules: [r_a]\n  group-by: [user.name]\n  timespan: 10s\n  condition: {lt: 2}\n"
    draft = _only(_bench(body).run([_event("1", "a", 0), _event("2", "a", 5)]))
    assert draft.count == 1
    assert _bench(body).run([]) == {}


def test_a_missing_key_does_not_count_unless_null_is_a_group() -> None:
    nameless = [Arrival(str(n), n, n, {"event.action": "a"}) for n in range(2)]
    assert not _bench(COUNT).run(nameless)
    assert _only(_bench(COUNT + "  null_group: keep\n").run(nameless)).group == (None,)


def test_what_does_not_count_is_counted_by_reason() -> None:
    bench = _bench(COUNT)
    router = CandidateRouter(bench.ruleset)
    nameless = EcsEvent("1", 0, 0, 0, "s", "", {"event.action": "a"})
    assert router.candidates_for("r_a", nameless, 0) == []
    many = EcsEvent("2", 0, 0, 0, "s", "", {"event.action": "a", "user.name": [f"u{n}" for n in range(40)]})
    assert len(router.candidates_for("r_a", many, 0)) == 32
    assert router.left_out == {"unkeyed": 1, "excess_groups": 8}
    correlator = bench.correlator()
    correlator.process(bench.candidates(_event("1", "a", 0, ready_s=500)))
    correlator.finish()
    assert correlator.left_out() == {"too_late": 1}
    assert correlator.left_out() == {}


def test_the_same_evidence_under_two_values_is_one_alert() -> None:
    body = "  type: event_count\n  rules: [r_a]\n  group-by: [host.ip]\n  timespan: 10s\n  condition: {gte: 2}\n"
    both: list[str | int | float | bool | None] = ["10.0.0.1", "10.0.0.2"]
    draft = _only(_bench(body).run([_event(str(n), "a", n, fields={"host.ip": both}) for n in range(2)]))
    assert draft.group == ("10.0.0.1;10.0.0.2",)


def test_names_are_one_group_whatever_their_case() -> None:
    events = [_event("1", "a", 0, fields={"user.name": "Ada"}), _event("2", "a", 1, fields={"user.name": "ADA"})]
    assert _only(_bench(COUNT).run(events)).group == ("ada",)


ABSENCE = "  type: absence\n  trigger: r_a\n  missing: [r_b]\n  group-by: [user.name]\n  timespan: 10s\n"


def test_a_partner_at_the_end_of_the_span_is_in_time() -> None:
    assert not _bench(ABSENCE).run([_event("1", "a", 0), _event("2", "b", 10)])
    assert _bench(ABSENCE).run([_event("1", "a", 0), _event("2", "b", 10.001)])


def test_a_partner_that_came_late_withdraws_the_alert() -> None:
    bench = _bench(ABSENCE)
    correlator = bench.correlator()
    early = correlator.process([*bench.candidates(_event("1", "a", 0)), PartitionClock(0, 40 * SECOND, 0)])
    late = correlator.process([*bench.candidates(_event("2", "b", 5, ready_s=50)), PartitionClock(0, 90 * SECOND, 0)])
    first, last = _only(collected(early)), _only(collected(late))
    assert first.alert_id == last.alert_id
    assert (first.status, last.status) == ("closed", "withdrawn")
    assert "arrived after all" in last.reason


def test_an_absence_that_nobody_watched_is_a_coverage_gap() -> None:
    bench = _bench(ABSENCE)
    bench.settings = type(bench.settings)(lateness_ns=lambda _rule: 0)
    correlator = bench.correlator()
    outputs = correlator.process(bench.candidates(_event("1", "a", 0))) + correlator.finish()
    assert [each.kind for each in outputs if isinstance(each, EngineEvent)] == ["coverage-gap"]
    assert not collected(outputs)


DURING = "  type: during\n  trigger: r_b\n  open: [r_a]\n  max_age: 60s\n  group-by: [host.name]\n"


def test_the_one_open_session_names_the_person() -> None:
    events = [
        _event("1", "a", 0, fields={"host.name": "h", "convergence.person.id": "p-1"}),
        _event("2", "b", 5, fields={"host.name": "h"}),
    ]
    draft = _only(_bench(DURING).run(events))
    assert draft.fields["convergence.person.id"] == "p-1"
    assert draft.fields["convergence.person.via"] == "session"


def test_several_open_sessions_name_nobody() -> None:
    events = [
        _event("1", "a", 0, fields={"host.name": "h", "convergence.person.id": "p-1", "convergence.session.id": "1"}),
        _event("2", "a", 1, fields={"host.name": "h", "convergence.person.id": "p-2", "convergence.session.id": "2"}),
        _event("3", "b", 5, fields={"host.name": "h"}),
    ]
    draft = _only(_bench(DURING + "  key: convergence.session.id\n").run(events))
    assert "convergence.person.id" not in draft.fields
    assert draft.fields["convergence.person.candidates"] == ["p-1", "p-2"]


def test_none_open_can_be_asked_for() -> None:
    events = [_event("1", "b", 5, fields={"host.name": "h"})]
    assert _bench(DURING + "  count: {lt: 1}\n").run(events)
    assert not _bench(DURING).run(events)


def test_a_chain_may_change_its_key_from_hop_to_hop() -> None:
    text = (
        f"{AB}---\n{rule('r_c', 'c')}---\ntitle: hop\nname: hop\ncorrelation:\n  type: temporal_ordered\n"
        "  rules: [r_a, r_b]\n  group-by: [user.name]\n  timespan: 10s\n"
        "---\ntitle: whole\nname: whole\nlevel: high\ncorrelation:\n  type: temporal_ordered\n  rules: [hop, r_c]\n"
        "  group-by: [host.name]\n  timespan: 30s\n"
    )
    events = [
        _event("1", "a", 0, fields={"host.name": "jump"}),
        _event("2", "b", 5, fields={"host.name": "station"}),
        _event("3", "c", 9, fields={"host.name": "station", "user.name": "other"}),
    ]
    draft = _only(Bench(text).run(events))
    assert draft.rule_id == "whole"
    assert [step.event_id for step in draft.steps] == ["1", "2", "3"]
    assert not Bench(text).run([*events[:2], _event("3", "c", 9, fields={"host.name": "jump"})])


def test_suppress_folds_repeats_and_does_not_feed_itself() -> None:
    text = rule("r_a", "a").replace("title:", "suppress: {timespan: 1h, group-by: [user.name]}\ntitle:", 1)
    draft = _only(Bench(text).run([_event("1", "a", 0), _event("2", "a", 60)]))
    assert draft.count == 2


def test_a_group_keeps_a_bounded_number_of_candidates() -> None:
    bench = _bench(COUNT)
    bench.settings = type(bench.settings)(lateness_ns=lambda _rule: 0, max_candidates=5)
    correlator = bench.correlator()
    correlator.process([each for n in range(50) for each in bench.candidates(_event(f"{n:02d}", "a", n / 10))])
    assert sum(1 for key, value in correlator.dirty() if value is not None and key.startswith(b"1\x1fc")) <= 50


def test_nothing_is_applied_before_every_partition_has_reported() -> None:
    bench = _bench(COUNT)
    correlator = bench.correlator(2)
    candidates = [each for n in range(3) for each in bench.candidates(_event(str(n), "a", n))]
    assert not correlator.process([*candidates, PartitionClock(0, 10**15, 0)])
    assert collected(correlator.process([PartitionClock(1, 10**15, 0)]))


def test_a_late_candidate_moves_the_end_of_an_episode_also_after_a_crash() -> None:
    text = f"{AB}---\n{rule('r_c', 'c')}---\ntitle: t\nname: t\ncorrelation:\n{ORDERED}"
    bench = Bench(text.replace("rules: [r_a, r_b]", "rules: [r_a, r_b, r_c]").replace("10s", "5s"), uncertainty_s=1.0)
    early = [_event("0", "a", 0), _event("1", "b", 1), _event("2", "c", 5)]
    late = [_event("3", "a", 0.5, ready_s=15.5), _event("4", "a", 0, ready_s=16)]
    whole = bench.run_in_pieces([*early, *late], 1, [], [])
    assert bench.run_in_pieces([*early, *late], 1, [], [True]) == whole
    assert _only(whole).ready_ns == 10.5 * SECOND


def test_state_of_a_rule_that_left_is_deleted() -> None:
    old, new = _bench(COUNT), Bench(AB)
    before = old.correlator()
    before.process([*old.candidates(_event("1", "a", 0)), PartitionClock(0, 12 * SECOND, 0)])
    stored = {key: value for key, value in before.dirty() if value is not None}
    after = new.correlator()
    for key, value in stored.items():
        after.restore(key, value)
    after.restored()
    gone = [key for key, value in after.dirty() if value is None]
    assert gone
    assert all(key.startswith(b"1\x1f") for key in gone)
