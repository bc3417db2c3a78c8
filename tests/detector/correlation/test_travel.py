"""`travel` against the obvious way, on random arrivals; and against itself, however they interleave."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.correlation.places import Place, place_of, way_between
from detector.task import PartitionClock
from tests.detector.correlation import oracle
from tests.detector.correlation.driving import SECOND, Arrival, Bench, rule
from tests.detector.correlation.test_against_oracle import arrivals

RULES = "---\n".join(rule(f"r_{action}", action) for action in "abc")
TRAVEL = (
    f"{RULES}---\ntitle: t\nname: t\ncorrelation:\n  type: travel\n  rules: [r_a, r_b, r_c]\n  group-by: [user.name]\n"
    "  place: at.id\n  timespan: 15s\n  speed: 9000\n"
)
LATITUDES = {"a": 50.0, "b": 50.09, "c": 50.2}
"""Ten kilometres are four seconds."""


def _placed(events: list[Arrival]) -> list[Arrival]:
    for each in events:
        each.fields["at.geo"] = f"{LATITUDES[str(each.fields['event.action'])]},10"
    return events


def _seconds(one: object, other: object) -> float:
    way = way_between(_place(str(one)), _place(str(other)), 9_000)
    return 0 if way is None else way.least_ns / SECOND


def _place(action: str) -> Place:
    found = place_of("at.id", {"at.geo": f"{LATITUDES[action]},10"})
    assert found is not None
    return found


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_on_time_arrivals_give_what_the_oracle_gives(data: st.DataObject) -> None:
    events = _placed(data.draw(arrivals(uncertain=True)))
    drafts = Bench(TRAVEL, uncertainty_s=1.0).run(events)
    wanted = oracle.travel(events, 15, _seconds)
    users = {each.id: each.fields["user.name"] for each in events}
    fired = {draft.steps[-1].event_id for draft in drafts.values()}
    # One that stays where somebody impossibly came is no move of its own.
    assert fired <= wanted
    assert {users[each] for each in fired} == {users[each] for each in wanted}
    first = {user: min((e for e in events if e.id in wanted and users[e.id] == user), key=_when).id for user in
             {users[each] for each in wanted}}  # fmt: skip
    assert set(first.values()) <= fired


def _when(arrival: Arrival) -> tuple[float, str]:
    return arrival.time_s, arrival.id


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_batches_partitions_and_crashes_change_nothing(data: st.DataObject) -> None:
    events = _placed(data.draw(arrivals(late=True, uncertain=True)))
    bench = Bench(TRAVEL, uncertainty_s=1.0)
    cuts = data.draw(st.lists(st.integers(0, len(events)), max_size=5))
    crashes = data.draw(st.lists(st.booleans(), min_size=6, max_size=6))
    pieces = bench.run_in_pieces(events, data.draw(st.sampled_from([1, 2, 4])), cuts, crashes)
    assert pieces == bench.run_in_pieces(events, 1, [], [])


def test_what_was_not_judged_is_counted() -> None:
    bench = Bench(TRAVEL, lateness_ns=0)
    correlator = bench.correlator()
    told: list[dict[str, object]] = [
        {"at.id": "n"}, {"at.id": "s"}, {}, {"at.geo": "1,1", "convergence.person.type": "shared"},
    ]  # fmt: skip
    events = [
        Arrival(str(number), number, number, {"event.action": "a", "user.name": "x", **fields})  # type: ignore[dict-item]
        for number, fields in enumerate(told)
    ]
    candidates = [each for event in events for each in bench.candidates(event)]
    assert not correlator.process([*candidates, PartitionClock(0, 100 * SECOND, 0)])
    assert correlator.left_out() == Counter(distanceless=1, placeless=1, shared=1)


def test_a_flood_of_places_without_coordinates_does_not_cost_its_square() -> None:
    bench = Bench(TRAVEL.replace("15s", "1h"), lateness_ns=0)
    far = Arrival("far", 0, 0, {"event.action": "a", "user.name": "x", "at.geo": "50,10"})
    flood = [
        Arrival(f"f{n:04d}", n / 100, n / 100, {"event.action": "a", "user.name": "x", "at.id": f"n{n}"})
        for n in range(1, 400)
    ]
    seen = Arrival("z", 4, 4, {"event.action": "a", "user.name": "x", "at.geo": "-50,10"})
    assert not bench.run([far, *flood, seen])
    assert len(bench.run([far, *flood[-99:], seen])) == 1


@pytest.mark.parametrize(
    ("here", "there", "km"),
    [((52.52, 13.40), (38.70, -9.15), 2_314), ((0, 0), (0, 180), 20_015), ((90, 0), (-90, 77), 20_015)],
)
def test_distances_are_those_of_the_great_circle(
    here: tuple[float, float], there: tuple[float, float], km: float
) -> None:
    places = [place_of("at.id", {"at.id": str(n), "at.geo": f"{p[0]},{p[1]}"}) for n, p in enumerate((here, there))]
    assert places[0] is not None
    assert places[1] is not None
    way = way_between(places[0], places[1], 900)
    assert way is not None
    assert way.distance_km == pytest.approx(km, rel=0.002)
