"""The context log: read whole before a worker starts, then followed; tells how far it has come."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from detector.candidate import Candidate
from detector.correlation.ordering import NOT_YET
from detector.runtime.clock import Clock
from detector.runtime.kafka.contextfiles import FILE_KEY, PUBLISHED_AHEAD_NS
from detector.runtime.kafka.ends import Ends
from detector.runtime.kafka.wire import MalformedMessageError, decode_passed
from detector.runtime.stages.sense import KNOWN_AFTER_NS
from detector.task import Bundle, LogRecord, PartitionClock, Record
from normalizers.context.rows import ContextRows
from normalizers.context.store import ContextStore
from normalizers.timestamps import format_utc

STILL_S = 5.0
"""When the log has stood still for so long, records go on with what is known."""

_POLL_MS = 100
_ASK_S = 1.0
_log = structlog.get_logger(__name__)


class ContextLog:
    """Applies the log to the worker's tables.

    It is complete up to a time once the clocks of all raw partitions have passed it, as far as feeds teach context, and
    once everything that was published before has been read.

    Args:
        client: Arguments for clients of the broker.
        topic: The log; it has one partition.
        ends: Finds its end.
        clock: Wall time.
        store: Tables to keep current.
        feeding: Raw partitions whose records may teach context; none where no source is a feed.
        start_s: How long records wait after the start until the log moves at all: feeds have to be taken up first.
        on_bundle: Told which rules take over.
    """

    def __init__(  # noqa: PLR0913, PLR0917  what the log is made of
        self,
        client: Mapping[str, Any],
        topic: str,
        ends: Ends,
        clock: Clock,
        store: ContextStore,
        feeding: range,
        start_s: float,
        on_bundle: Callable[[Bundle], None] = lambda _: None,
    ) -> None:
        self._reader = AIOKafkaConsumer(
            **client, isolation_level="read_committed", enable_auto_commit=False, fetch_max_wait_ms=_POLL_MS
        )
        self._place = TopicPartition(topic, 0)
        self._ends, self._clock, self._store = ends, clock, store
        self._clocks = dict.fromkeys(feeding, NOT_YET)
        self._patience_s, self._on_bundle = start_s, on_bundle
        self._published_ns = NOT_YET
        self._stable_ns = NOT_YET
        self._moved_s = time.monotonic()
        self._looks = 0
        self._is_behind = False
        self._topic_id = b""

    async def start(self) -> None:
        """Read the log whole.

        Raises:
            StateError: It was written by another version.
        """
        await self._reader.start()
        self._reader.assign([self._place])
        await self._reader.seek_to_beginning(self._place)
        while self._published_ns == NOT_YET:
            await self._follow()
            await self._look_for_end()
        self._moved_s = time.monotonic()

    async def run(self) -> None:
        """Follow the log."""
        asked_s = time.monotonic()
        while True:
            await self._follow()
            if time.monotonic() - asked_s >= _ASK_S:
                asked_s = time.monotonic()
                await self._look_for_end()

    async def stop(self) -> None:
        """Close the connections."""
        await self._reader.stop()

    @property
    def is_behind(self) -> bool:
        """Whether records go on although the log stands still: verdicts may rest on rows that are missing."""
        return self._is_behind

    def admit(self, entry: LogRecord) -> LogRecord | None:
        """Return an entry once all context that it may need has been read; None until then.

        A record waits for what was known when it was received, and a clock for what was known then: a correlation
        looks up nothing that is known later than the clocks it has heard. What was appended to the raw log, and what
        came of it, waits for the rules that were announced for it.

        While the log stands still nothing waits, and a record says up to when rows were known: verdicts that rest on a
        missing one are unknown.
        """
        match entry:
            case Record():
                is_here = entry.record.received_ns <= self._stable_ns and entry.ready_ns <= self._published_ns
            case PartitionClock():
                is_here = entry.clock_ns <= self._stable_ns
            case Candidate():
                is_here = entry.ready_ns <= self._published_ns
            case _:
                return entry
        if is_here:
            return entry
        if not self._is_behind:
            return None
        return msgspec.structs.replace(entry, known_to_ns=self._stable_ns) if isinstance(entry, Record) else entry

    async def _follow(self) -> None:
        for records in (await self._reader.getmany(timeout_ms=_POLL_MS)).values():
            for record in records:
                if (record.key or b"").startswith(FILE_KEY):
                    continue
                try:
                    self._take(decode_passed(record), record.timestamp * 1_000_000)
                except (MalformedMessageError, ValueError) as error:
                    _log.error("context_unreadable", offset=record.offset, error=str(error))
        self._settle()

    def _take(self, passed: LogRecord, appended_ns: int = 0) -> None:
        if isinstance(passed, ContextRows):
            self._store.apply(passed)
        elif isinstance(passed, PartitionClock) and passed.partition in self._clocks:
            self._clocks[passed.partition] = max(self._clocks[passed.partition], passed.clock_ns)
        elif isinstance(passed, Bundle):
            # However long it was on its way: whoever has read so far knows it in time.
            known_at_ns = max(passed.known_at_ns, appended_ns + PUBLISHED_AHEAD_NS)
            self._on_bundle(Bundle(passed.bundle_hash, known_at_ns))

    async def _look_for_end(self) -> None:
        try:
            asked_ns, ends = await self._ends.find(self._place.topic, [0])
            await self._know_topic()
        except (KafkaError, TimeoutError) as error:
            _log.info("ends_unknown", topic=self._place.topic, reason=repr(error))
            self._judge()
            return
        if await self._reader.position(self._place) >= ends[0]:
            self._published_ns = asked_ns + PUBLISHED_AHEAD_NS
        self._settle()
        self._judge()

    async def _know_topic(self) -> None:
        """Read from the beginning when the topic was made anew; what it taught before stays known to this worker."""
        topic_id = await self._ends.topic_id(self._place.topic)
        if self._topic_id not in (b"", topic_id):
            _log.error("context_made_anew", topic=self._place.topic, remedy="isthmus context publish")
            await self._reader.seek_to_beginning(self._place)
        self._topic_id = topic_id

    def _settle(self) -> None:
        fed_ns = min(self._clocks.values(), default=self._published_ns)
        if self._clocks and fed_ns != NOT_YET:
            fed_ns += KNOWN_AFTER_NS
        stable_ns = min(fed_ns, self._published_ns)
        if stable_ns > self._stable_ns:
            if self._is_behind:
                _log.warning("context_goes_on", stood_still_s=round(time.monotonic() - self._moved_s, 1))
            if self._stable_ns != NOT_YET:
                self._patience_s = STILL_S
            self._stable_ns, self._moved_s, self._looks, self._is_behind = stable_ns, time.monotonic(), 0, False

    def _judge(self) -> None:
        """Notice that the log stands still: a process that slept itself has to look again first."""
        self._looks += 1
        if not self._is_behind and self._looks > 1 and time.monotonic() - self._moved_s > self._patience_s:
            self._is_behind = True
            _log.warning("context_stands_still", known_to=format_utc(max(self._stable_ns, 0)))
