"""Events wait for a sink that is away, up to a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from detector.alerting.sinks.delivery import EventDocument
from detector.runtime.embedded import eventdelivery
from detector.runtime.embedded.eventdelivery import EventDelivery
from detector.runtime.embedded.store import Checkpoint, EngineStore
from normalizers.event import EcsEvent


class Sink:
    """Takes nothing until it is open."""

    name = "s"

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.taken: list[str] = []

    async def give(self, events: Sequence[EventDocument]) -> None:
        """Take events."""
        await self.open.wait()
        self.taken += [event.id for event in events]

    async def close(self) -> None:
        """Nothing to let go of."""


def _commit(store: EngineStore, numbers: range) -> None:
    events = [EcsEvent(f"e{number}", 0, 0, 0, "s", "d", {"event.dataset": "d"}) for number in numbers]
    store.commit(Checkpoint(numbers.stop, events=events))


@pytest.mark.parametrize("keep", [False, True])
async def test_beyond_the_bound_the_oldest_are_dropped_and_said(
    keep: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventdelivery, "MAX_WAITING", 20)
    monkeypatch.setattr(eventdelivery, "_BATCH", 3)
    monkeypatch.setattr(eventdelivery, "_LOOK_S", 0.01)
    store, sink = EngineStore(tmp_path / "engine.db", durable=False), Sink()
    delivery = EventDelivery(store, {"s": sink}, keep=keep)
    _commit(store, range(20))
    delivery.start()
    await asyncio.sleep(0.05)
    delivery.bound()
    _commit(store, range(20, 30))
    with capture_logs() as logs:
        delivery.bound()
    assert [(each["event"], each["events"]) for each in logs] == [("events_dropped", 10)]
    assert len(store.event_log(0, 100)) == (30 if keep else 20)
    sink.open.set()
    await asyncio.sleep(0.3)
    await delivery.stop()
    # The batch that was on its way when they were dropped arrives all the same.
    assert sink.taken == [f"e{number}" for number in (0, 1, 2, *range(10, 30))]
    assert len(store.event_log(0, 100)) == (30 if keep else 0)
    store.close()
