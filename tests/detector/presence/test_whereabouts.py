"""Where people are, told by doors and consoles: each sign, what it changes, and what is forgotten."""

from __future__ import annotations

import itertools

import pytest

from detector.presence.history import History
from detector.presence.sighting import Sighting, sighting_of
from detector.presence.whereabouts import DECAY_NS, Whereabouts, whereabouts
from normalizers.event import EcsEvent, Value

HOUR = 3_600 * 10**9
DOOR = {"event.action": "access-granted", "physical.portal.id": "D", "physical.portal.name": "Door"}


def _sighting(hour: float, **fields: Value) -> Sighting:
    named: dict[str, Value] = {
        "convergence.person.id": "p",
        "convergence.location.site": "plant-a",
        "convergence.location.path": "plant-a/D",
        "convergence.location.egress": "full",
        **{path.replace("__", "."): value for path, value in fields.items()},
    }
    found = sighting_of(EcsEvent(f"e{hour}", int(hour * HOUR), int(hour * HOUR), 5 * 10**8, "s", "d", named))
    assert found is not None
    return found


def _in(hour: float, **more: Value) -> Sighting:
    return _sighting(hour, **DOOR, physical__reader__direction="in", **more)


def _out(hour: float, **more: Value) -> Sighting:
    return _sighting(hour, **DOOR, physical__reader__direction="out", **more)


def _console(hour: float, **more: Value) -> Sighting:
    place = {"convergence__location__path": "plant-a/hall/lab", "host__name": "ws-1"}
    logon = {"event__action": "logged-in", "winlog__logon__type": "Interactive"}
    return _sighting(hour, **{**place, **logon, **more})


def _told(*sightings: Sighting, at: float = 12) -> Whereabouts:
    found = whereabouts(sightings, int(at * HOUR))
    assert found is not None
    return found


INNER = {"convergence__location__path": "plant-a/hall/lab/D2"}
AT_B = {"convergence__location__site": "plant-b", "convergence__location__path": "plant-b/B1"}


def test_one_who_came_in_is_inside() -> None:
    told = _told(_in(8))
    assert (told.state, told.site, told.path, told.sure, told.why) == ("inside", "plant-a", ("plant-a",), "sure", "")
    assert (told.since_ns, told.seen_ns, told.by, told.uncertainty_ns) == (8 * HOUR, 8 * HOUR, "Door", 5 * 10**8)


def test_before_anything_was_told_nothing_is_known() -> None:
    assert whereabouts([_in(8)], 8 * HOUR - 1) is None
    assert whereabouts([], HOUR) is None


def test_an_inner_door_changes_the_place_and_not_since_when() -> None:
    told = _told(_in(8), _in(9, **INNER))
    assert (told.path, told.since_ns, told.seen_ns) == (("plant-a", "hall", "lab"), 8 * HOUR, 9 * HOUR)


def test_leaving_a_room_is_not_leaving_the_site() -> None:
    told = _told(_in(8), _in(9, **INNER), _out(10, **INNER))
    assert (told.state, told.path, told.since_ns) == ("inside", ("plant-a", "hall"), 8 * HOUR)


def test_leaving_the_site() -> None:
    told = _told(_in(8), _out(11))
    assert (told.state, told.path, told.since_ns, told.sure) == ("outside", (), 11 * HOUR, "sure")


def test_one_clock_more_and_nobody_knows() -> None:
    assert _told(_in(8), at=22).state == "inside"
    told = whereabouts([_in(8)], 8 * HOUR + DECAY_NS + 1)
    assert told is not None
    assert (told.state, told.sure, told.why) == ("unknown", "unsure", "no sign for 14 h")
    assert told.since_ns == 8 * HOUR + DECAY_NS
    assert _told(_in(8), _out(9), at=40).state == "outside"


def test_a_sign_begins_the_decay_anew() -> None:
    assert _told(_in(8), _console(20), at=30).state == "inside"


@pytest.mark.parametrize(
    ("exits", "sure", "why"),
    [
        ("full", "sure", ""),
        ("partial", "likely", "some doors do not see people leave"),
        (None, "likely", "it is not known which doors see exits"),
    ],
)
def test_how_sure_depends_on_the_doors_that_see_people_leave(exits: str | None, sure: str, why: str) -> None:
    told = _told(_in(8, convergence__location__egress=exits))
    assert (told.sure, told.why) == (sure, why)


def test_a_reader_that_does_not_say_which_way() -> None:
    told = _told(_in(8), _sighting(9, **DOOR))
    assert (told.state, told.since_ns, told.sure) == ("inside", 8 * HOUR, "unsure")


def test_a_console_tells_where_somebody_is() -> None:
    told = _told(_console(8))
    assert (told.state, told.path, told.by) == ("inside", ("plant-a", "hall", "lab"), "ws-1")
    assert (told.sure, told.why) == ("likely", "seen without having come in")
    assert _told(_in(7), _console(8)).sure == "sure"


def test_another_site_without_an_exit() -> None:
    told = _told(_in(8), _in(10, **AT_B))
    assert (told.site, told.since_ns, told.sure) == ("plant-b", 10 * HOUR, "likely")
    assert told.why == "no exit was seen at plant-a"


def test_an_evacuation_asks_for_everyone_inside() -> None:
    alarm = _sighting(9, event__action="muster-started", convergence__person__id=None)
    assert _told(_in(8), alarm).state == "unaccounted"
    assert _told(_in(8), alarm).since_ns == 9 * HOUR
    assert _told(_in(8), _out(8.5), alarm).state == "outside"
    assert _told(_in(8, **AT_B), alarm).state == "inside"
    counted = _sighting(9.2, event__action="mustered", **{"physical.reader.id": "M"})
    assert _told(_in(8), alarm, counted).state == "mustered"
    assert _told(_in(8), alarm, counted, _in(10)).state == "inside"


def test_a_reset_of_one_or_of_a_site() -> None:
    own = _sighting(9, event__action="antipassback-reset")
    of_site = _sighting(9, event__action="antipassback-reset", convergence__person__id=None)
    for reset in (own, of_site):
        told = _told(_in(8), reset)
        assert (told.state, told.since_ns, told.why) == ("unknown", 9 * HOUR, "the access system was reset")
        assert _told(_in(8), _out(8.5), reset).state == "outside"
        assert _told(_in(8), reset, _in(10)).since_ns == 10 * HOUR
    assert _told(_in(8, **AT_B), of_site).state == "inside"


def test_who_tells_nothing() -> None:
    def none(**fields: Value) -> bool:
        return (
            sighting_of(EcsEvent("e", 0, 0, 0, "s", "d", {k.replace("__", "."): v for k, v in fields.items()})) is None
        )

    assert none(**DOOR)
    assert none(**DOOR, convergence__person__id="p", convergence__person__type="shared")
    assert none(event__action="access-denied", convergence__person__id="p")
    assert none(event__action="logged-in", winlog__logon__type="RemoteInteractive", convergence__person__id="p")
    assert none(event__action=["access-granted"], convergence__person__id="p")


def test_the_order_of_arrival_does_not_matter() -> None:
    sightings = [_in(8), _in(9, **INNER), _out(10, **INNER), _out(11)]
    for shuffled in itertools.permutations(sightings):
        assert _told(*shuffled, at=10.5) == _told(*sightings, at=10.5)


def test_a_history_keeps_what_may_be_asked() -> None:
    history = History(keep_ns=10 * HOUR, limit=3)
    assert history.add(_in(1))
    assert not history.add(_in(1))
    assert [*map(history.add, (_in(8), _in(9)))] == [True, True]
    assert list(history.forget()) == []
    history.add(_in(11.5))
    assert [each.time_ns for each in history.forget()] == [HOUR]
    assert (len(history), history.evicted) == (3, 0)
    history.add(_in(12))
    assert [each.time_ns for each in history.forget()] == [8 * HOUR]
    assert history.evicted == 1
    assert history.people() == ["p"]
    assert [each.time_ns for each in history.of("p")] == [9 * HOUR, int(11.5 * HOUR), 12 * HOUR]
    assert history.of("q") == []
