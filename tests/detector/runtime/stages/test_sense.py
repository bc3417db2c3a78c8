"""Sensing: what a record causes depends neither on its batch nor on its neighbours."""

from __future__ import annotations

import pytest

from benchmarks.bench_line import records
from detector.demo.script import PLANT
from detector.rules.bundled import bundled_rules
from detector.rules.loader import load_rules
from detector.runtime.embedded.assembly import build_stages
from detector.runtime.stages.sense import SenseTask
from detector.settings import load_settings
from detector.task import DeadLetter, LogRecord, Output, Tick
from normalizers.context.store import ContextStore
from normalizers.context.tables import load_context

EVERY = 37
"""Records between two ticks: no batch of the test begins or ends with them."""


@pytest.fixture(scope="module")
def stream() -> list[LogRecord]:
    """Return a part of the demo's day with a tick now and then."""
    entries = list[LogRecord]()
    for number, record in enumerate(records(1_500)):
        entries.append(record)
        if number % EVERY == 0:
            entries.append(Tick(record.ready_ns, clock_ns=record.ready_ns))
    return entries


def _task() -> SenseTask:
    store = ContextStore()
    for rows in load_context(PLANT / "context"):
        store.apply(rows)
    stages = build_stages(load_settings(PLANT / "isthmus.yml"), load_rules(bundled_rules()), store, generation=1)
    return stages.sense[0]


def _in_batches(stream: list[LogRecord], size: int) -> list[Output]:
    task = _task()
    return [output for start in range(0, len(stream), size) for output in task.process(stream[start : start + size])]


@pytest.mark.parametrize("size", [50, 10_000])
def test_batches_change_nothing(stream: list[LogRecord], size: int) -> None:
    """The same outputs, in the same order, as one record at a time."""
    single = _in_batches(stream, 1)
    assert {type(output).__name__ for output in single} >= {"EcsEvent", "AlertDraft", "Candidate", "PartitionClock"}
    assert _in_batches(stream, size) == single


def test_a_record_that_fails_takes_no_other_with_it(stream: list[LogRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a match raises, its record is a dead letter and the others of the batch are as ever."""
    whole = _in_batches(stream, 10_000)
    task = _task()
    router = task._parts.router
    outputs_for, failing = router.outputs_for, list[str]()

    def fails_once(rule, event, ready_ns, unsettled=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        if not failing:
            failing.append(event.id)
        if event.id in failing:
            raise RuntimeError("boom")
        return outputs_for(rule, event, ready_ns, unsettled)

    monkeypatch.setattr(router, "outputs_for", fails_once)
    outputs = task.process(stream)
    letters = [output for output in outputs if isinstance(output, DeadLetter) and "boom" in output.error]
    assert [letter.error for letter in letters] == ["internal error: RuntimeError('boom')"]
    lost = [output for output in whole if output not in outputs]
    assert lost
    assert {getattr(output, "event_id", getattr(output, "id", "")) for output in lost} <= {*failing, ""}
    assert [output for output in outputs if output not in letters] == [each for each in whole if each not in lost]
