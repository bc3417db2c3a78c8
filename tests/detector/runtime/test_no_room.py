"""A log on disk that is full: senders are held up or told to send again, and nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from connectors import http_push
from connectors.errors import SourceUnavailableError
from connectors.http_push import HttpPushListener
from connectors.record import Document
from connectors.settings import HttpPush
from detector.runtime.clock import SystemClock
from detector.runtime.embedded import intake as intakes
from detector.runtime.embedded.intake import BatchingIntake
from detector.runtime.embedded.rawlog import RawLog
from detector.runtime.embedded.store import EngineStore

LIMIT_BYTES = 1 << 20
KB = b"x" * 1_000


class Place:
    """An intake with a log and a store of a megabyte each."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "raw.db"
        self.log = RawLog(self.path, SystemClock(), partitions=1, durable=False, max_bytes=LIMIT_BYTES)
        self.store = EngineStore(folder / "engine.db", durable=False, max_bytes=LIMIT_BYTES)
        self.intake = BatchingIntake(
            self.log, SystemClock(), self.store.add_dead_letters, datasets={}, on_append=lambda _: None
        )
        self.taken = 0

    async def put(self, count: int = 100) -> None:
        """Put records of a kilobyte."""
        await self.intake.put([Document(source="s", dataset="d", value=KB)] * count)
        self.taken += count

    async def fill(self) -> asyncio.Task[None]:
        """Put until nothing goes in; returns the put that waits."""
        while True:
            waiting = asyncio.create_task(self.put())
            done, _ = await asyncio.wait({waiting}, timeout=0.3)
            if not done:
                return waiting
            waiting.result()


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr(intakes, "ROOM_S", 0.02)
    made = Place(tmp_path)
    made.intake.start()
    yield made
    await made.intake.stop()
    made.log.close()
    made.store.close()


async def test_a_full_log_takes_more_once_records_have_gone(place: Place) -> None:
    """Whoever waits goes on by itself; the file never grows beyond its limit."""
    waiting = await place.fill()
    assert "no room for more records" in place.intake.problem
    assert place.log.length() == place.taken > 500
    assert place.path.stat().st_size <= LIMIT_BYTES
    assert place.log.used_bytes() > 0.9 * LIMIT_BYTES
    place.log.prune(300, 2**62)
    await asyncio.wait_for(waiting, 5)
    assert (place.intake.problem, place.log.length()) == ("", place.taken - 300)
    for _ in range(5):
        place.log.prune(place.log.end(), 2**62)
        await asyncio.wait_for(place.put(400), 5)
    assert place.path.stat().st_size <= LIMIT_BYTES


async def test_who_waits_at_the_end_is_told_that_nothing_was_taken(place: Place) -> None:
    waiting = await place.fill()
    await place.intake.stop()
    with pytest.raises(SourceUnavailableError, match="no room"):
        await waiting
    assert place.log.length() == place.taken


async def test_http_senders_are_told_to_send_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an Idempotency-Key the second attempt is taken once, also if the first was taken after all."""
    monkeypatch.setattr(http_push, "PATIENCE_S", 0.2)
    waiting = await place.fill()
    listener = HttpPushListener(HttpPush(port=0), place.intake)
    await listener.start()
    url = f"http://127.0.0.1:{listener.port}/v1/records"
    headers = {"X-Isthmus-Dataset": "d", "X-Isthmus-Source": "http", "Idempotency-Key": "1"}
    async with ClientSession() as session:
        async with session.post(url, data=KB, headers=headers) as reply:
            assert (reply.status, reply.headers["Retry-After"]) == (503, "5")
            assert "not on disk after" in await reply.text()
        place.log.prune(300, 2**62)
        await waiting
        async with session.post(url, data=KB, headers=headers) as reply:
            assert reply.status == 202
    await listener.stop()
    assert sum(each.entry.record.source == "http" for each in place.log.read(0, 10_000)) == 1


async def test_what_cannot_be_read_is_bounded_too(place: Place) -> None:
    """A sender of rubbish cannot fill the disk: it is told to come again."""

    async def rubbish() -> None:
        for _ in range(100):
            await place.intake.reject("s", "d", KB * 60, "broken")

    with pytest.raises(SourceUnavailableError, match="no room for more dead letters"):
        await rubbish()
    kept = place.store.count_dead_letters()
    assert 10 < kept < 100
    place.store.forget_dead_letters(place.store.dead_letters(limit=1)[0].seq, "reader")
    await place.intake.reject("s", "d", KB * 60, "broken")
    assert (place.store.count_dead_letters(), place.store.position("reader")) == (1, kept)
