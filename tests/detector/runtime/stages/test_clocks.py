"""The clocks of a partition: what they make of events hangs on no neighbour, batch, partition or restart."""

from __future__ import annotations

import heapq
import pathlib
import random
from collections.abc import Iterable, Sequence

import msgspec
import pytest

from connectors.record import RawRecord, hashed_id
from detector.demo.script import PLANT
from detector.errors import StateError
from detector.rules.bundled import bundled_rules
from detector.rules.loader import load_rules
from detector.runtime.assembly import TaskMaker
from detector.runtime.partitioner import partition_of
from detector.runtime.stages import clocks as stage
from detector.runtime.stages.clocks import Clocks
from detector.runtime.stages.silence import SilencePolicy
from detector.settings import Settings, load_settings
from detector.task import EngineEvent, Record
from normalizers.clock.hindsight import Hindsight, LookBack
from normalizers.clock.policy import ClockPolicy
from normalizers.context.store import ContextStore
from normalizers.event import EcsEvent
from normalizers.source import SourceProfile
from normalizers.timestamps import format_utc
from tests.normalizers.clock.simulator import HOUR_S, LAN, NS, START_NS, Device, Observed, simulate

POLICY = SilencePolicy(profile_of=lambda source: SourceProfile(id=source))


def event(source: str, observed: Observed, **fields: str | int) -> EcsEvent:
    return EcsEvent(
        id=hashed_id(source, observed.sequence),
        time_ns=observed.device_ns,
        received_ns=observed.received_ns,
        uncertainty_ns=0,
        source=source,
        dataset="uhppote.event",
        fields=dict(fields),
    )


def stream(source: str, seed: int) -> list[EcsEvent]:
    return [event(source, each) for each in _observed(seed)]


def _observed(seed: int) -> list[Observed]:
    device = Device(offset_s=40.0 * seed, drift_ppm=9.0, steps=[(14 * HOUR_S, -120.0)], cell_ns=NS)
    return simulate(device, LAN, per_hour=60, hours=18, seed=seed)


def corrected(clocks: Clocks, events: Iterable[EcsEvent]) -> list[EcsEvent]:
    made = list[EcsEvent]()
    for each in events:
        copy = msgspec.structs.replace(each, fields=dict(each.fields))
        clocks.correct(copy, SourceProfile(id=each.source))
        made.append(copy)
    return made


def test_sources_do_not_see_each_other() -> None:
    sources = [stream(f"s{seed}", seed) for seed in range(1, 4)]
    alone = {e.id: e for events in sources for e in corrected(Clocks(POLICY), events)}
    together = Clocks(POLICY)
    mixed = corrected(together, heapq.merge(*sources, key=lambda each: each.received_ns))
    assert {each.id: each for each in mixed} == alone
    assert sorted(each.kind for each in together.take()) == ["clock-recovered"] * 3 + ["clock-stepped"] * 3


@pytest.mark.parametrize("every", [1, 53])
def test_a_restart_at_any_record_changes_nothing(every: int) -> None:
    events = stream("s", 2)[-400:] if every == 1 else stream("s", 2)
    whole = Clocks(POLICY)
    expected = corrected(whole, events)
    told = whole.take()
    store = dict[bytes, bytes]()
    made, found = list[EcsEvent](), list[EngineEvent]()
    for start in range(0, len(events), every):
        clocks = Clocks(POLICY)
        for key, state in store.items():
            clocks.restore(key, state)
        made += corrected(clocks, events[start : start + every])
        found += clocks.take()
        for key, changed in clocks.dirty():
            assert changed is not None
            store[key] = changed
    assert {key[:2] for key in store} == {b"ch", b"cr", b"cm"}
    assert made == expected
    assert found == told


def test_a_finding_is_an_engine_event_with_the_interval_in_doubt() -> None:
    clocks = Clocks(POLICY)
    events = corrected(clocks, stream("plant-b/turnstile", 1))
    found = clocks.take()[0]
    assert found.kind == "clock-stepped"
    assert found.source == "plant-b/turnstile"
    assert found.time_ns in {each.received_ns for each in events}
    assert found.fields["convergence.feed.clock.cause"] == "step"
    assert found.fields["convergence.feed.clock.explained"] == "no"
    assert abs(float(str(found.fields["convergence.feed.clock.shift_ms"])) + 120_000) < 2_000
    step = format_utc(START_NS + 14 * 3_600 * NS)
    assert str(found.fields["convergence.feed.clock.doubt_from"]) <= step
    assert str(found.fields["convergence.feed.clock.doubt_until"]) > step


def test_an_announced_change_of_time_explains_the_step() -> None:
    clocks = Clocks(POLICY)
    events = stream("panel", 1)
    step_ns = START_NS + 14 * 3_600 * NS
    first = next(i for i, each in enumerate(events) if each.received_ns > step_ns)
    events[first].fields["event.action"] = "time-sync"
    corrected(clocks, events)
    assert clocks.take()[0].fields["convergence.feed.clock.explained"] == "yes"


def test_hindsight_dates_events_in_doubt_and_changes_no_finding() -> None:
    events, step_ns = stream("s", 1), START_NS + 14 * 3_600 * NS
    truth = {each.id: o.true_ns for each, o in zip(events, _observed(1), strict=True)}
    look = LookBack("s", ClockPolicy())
    for each in events:
        look.observe(each.time_ns, each.received_ns, None)
    before, after = Clocks(POLICY), Clocks(POLICY, Hindsight(look.stretches()))
    then, now = corrected(before, events), corrected(after, events)
    assert after.take() == before.take()
    doubt = [index for index, each in enumerate(events) if step_ns <= truth[each.id] < step_ns + 180 * NS]
    assert max(abs(then[index].time_ns - truth[events[index].id]) for index in doubt) > 60 * NS
    assert max(abs(now[index].time_ns - truth[events[index].id]) for index in doubt) < NS
    assert {now[index].fields["convergence.clock.method"] for index in doubt} == {"hindsight"}
    assert {now[index].fields["convergence.clock.epoch"] for index in doubt} == {1}
    assert [each.fields["convergence.clock.device_time"] for each in now] == [
        each.fields["convergence.clock.device_time"] for each in then
    ]


def test_fixed_and_unlearnable_sources_keep_their_settings() -> None:
    clocks = Clocks(POLICY)
    given = stream("s", 1)[0]
    for profile, method, status in (
        (SourceProfile(id="s", clock_offset_ns=40 * NS), "fixed", "synced"),
        (SourceProfile(id="s", clock=None), "none", "synced"),
        (SourceProfile(id="s", is_received_trusted=False), "none", "unknown"),
    ):
        copy = msgspec.structs.replace(given, fields={})
        clocks.correct(copy, profile)
        assert copy.fields["convergence.clock.method"] == method
        assert copy.fields["convergence.clock.status"] == status
        assert copy.fields["convergence.clock.device_time"] == format_utc(given.time_ns)
    assert list(clocks.dirty()) == []


@pytest.mark.parametrize("number", ["1", 2**70, True, -5, float("nan")])
def test_a_sequence_that_is_no_number_is_none(number: str | int) -> None:
    clocks = Clocks(POLICY)
    observed = simulate(Device(), LAN, per_hour=60, hours=1, seed=1)
    made = [event("s", each, **{"event.sequence": number}) for each in observed]
    assert all(each.time_ns <= each.received_ns for each in corrected(clocks, made))
    assert clocks.take() == []


def test_memory_is_bounded_and_what_is_forgotten_is_only_knowledge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many sources of one event each the idle go first, the same ones after a restart; named ones stay."""
    monkeypatch.setattr(stage, "MAX_CLOCKS", 80)
    policy = msgspec.structs.replace(POLICY, named=frozenset({"named"}))
    clocks, other = Clocks(policy), Clocks(policy)
    store = dict[bytes, bytes]()
    draw = random.Random(4)  # noqa: S311  an order, not a key
    names = ["named", *(f"source-{number}" for number in draw.sample(range(10_000), 600))]
    for position, name in enumerate(names):
        at_ns = START_NS + position // 3 * NS
        given = event(name, Observed(at_ns, at_ns, at_ns + 10**7, position))
        assert corrected(clocks, [given]) == corrected(other, [given])
        for key, state in other.dirty():
            store.pop(key, None) if state is None else store.update({key: state})
        other = Clocks(policy)
        for key, kept in store.items():
            other.restore(key, kept)
    assert len(store) <= 3 * 81
    assert b"chnamed" in store


@pytest.mark.parametrize(("key", "state"), [(b"chs", b"12345678\x09"), (b"cxs", b"")])
def test_state_of_another_version_is_refused(key: bytes, state: bytes) -> None:
    with pytest.raises(StateError):
        Clocks(POLICY).restore(key, state)


def test_an_event_rewrites_little() -> None:
    clocks = Clocks(POLICY)
    sizes = list[int]()
    for each in stream("s", 3):
        corrected(clocks, [each])
        sizes.append(sum(len(state or b"") for _, state in clocks.dirty()))
    assert sum(sizes) / len(sizes) < 2_000
    assert max(sizes) <= 10_000


Sensed = EcsEvent | EngineEvent


def panel(number: int) -> list[Record]:
    """Return raw records of a door controller whose clock is set back by two minutes."""
    device = Device(offset_s=-75.0, drift_ppm=20.0, steps=[(9 * HOUR_S, -120.0)], cell_ns=NS)
    records = list[Record]()
    source = f"panel-{number}"
    for each in simulate(device, LAN, per_hour=40, hours=11, seed=number):
        stamp = format_utc(each.device_ns).replace("T", " ").replace("Z", " UTC")
        body = {"device-id": 7, "event-id": each.sequence, "event-type": 2, "door-id": 1, "event-reason": 24}
        value = msgspec.json.encode(body | {"timestamp": stamp})
        record = RawRecord(hashed_id(source, each.received_ns), source, "uhppote.event", each.received_ns, value)
        records.append(Record(record, each.received_ns))
    return records


def sensed(records: Sequence[Record], folder: pathlib.Path, batch: int, partitions: int) -> list[Sensed]:
    """Return events and engine events of sense tasks over a raw log of some partitions, by id."""
    settings = Settings(data_dir=folder, raw_partitions=partitions)
    maker = TaskMaker(settings, load_rules(bundled_rules()), ContextStore(), raw_partitions=partitions)
    tasks = [maker.sense(partition, 1) for partition in range(partitions)]
    made = list[Sensed]()
    for start in range(0, len(records), batch):
        for partition, task in enumerate(tasks):
            share = [
                r for r in records[start : start + batch] if partition_of(r.record.source, partitions) == partition
            ]
            made += [each for each in task.process(share) if isinstance(each, EcsEvent | EngineEvent)]
    return sorted(made, key=lambda each: each.id)


def test_batches_and_partitions_change_neither_times_nor_findings(tmp_path: pathlib.Path) -> None:
    records = list(heapq.merge(*(panel(number) for number in range(1, 4)), key=lambda each: each.ready_ns))
    first, *others = [sensed(records, tmp_path, *run) for run in ((2_000, 1), (61, 2), (1, 3))]
    assert all(each == first for each in others)
    kinds = sorted(each.kind for each in first if isinstance(each, EngineEvent))
    assert kinds == ["clock-recovered"] * 3 + ["clock-stepped"] * 3


def test_polled_sources_are_told_apart_by_their_settings() -> None:
    profiles = load_settings(PLANT / "isthmus.yml").profiles()
    assert profiles["plant-b/turnstile"].clock == ClockPolicy("push", zone="Europe/Lisbon")
    assert profiles["plant-b/pacs"].clock == ClockPolicy("polled", 60.0, zone="Europe/Lisbon")
    assert profiles["plant-b/turnstile"].is_clock_learned
    assert not profiles["plant-b/pacs"].is_clock_learned
