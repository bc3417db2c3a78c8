"""Tasks that are opened, and given away while they are."""

from __future__ import annotations

import asyncio

import pytest

from detector.runtime.clock import SystemClock
from detector.runtime.kafka.life import TaskLife
from detector.runtime.kafka.outgoing import ContextRouting
from detector.runtime.kafka.ownership import Ownership
from detector.runtime.kafka.stage import Stage, StageTask
from detector.runtime.kafka.surroundings import Surroundings
from detector.runtime.kafka.wire import KafkaRecord
from detector.runtime.topics.names import TopicNames
from detector.task import LogRecord


def _make(*_: int) -> StageTask:
    raise AssertionError


def _decode(*_: KafkaRecord | int) -> LogRecord:
    raise AssertionError


async def test_a_task_given_away_while_it_was_opened_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client swallows the cancellation while it closes a reader: opened all the same, it would fence the owner."""
    opened = list[int]()

    async def open_whatever_comes(life: TaskLife) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            opened.append(life.partition)

    monkeypatch.setattr(TaskLife, "open", open_whatever_comes)
    names = TopicNames("t")
    stage = Stage("group", names.drafts, 1, _make, _decode, ContextRouting(names), names, "bundle")
    around = Surroundings({"bootstrap_servers": "127.0.0.1:9", "client_id": "t"}, SystemClock())
    owned = Ownership(stage, around, checkpoint_s=0.01, on_failure=lambda _: None)
    await owned.assign([0])
    (holder,) = owned._holders.values()
    await asyncio.sleep(0.01)
    await owned.release(timeout_s=1)
    await owned.assign(())
    await asyncio.wait_for(holder, 5)
    assert (opened, owned.lives, owned.partitions) == ([0], {}, ())
