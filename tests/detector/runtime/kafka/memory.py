"""The tasks of all stages over logs in memory: what a broker and some workers do, in any order that a test chooses."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, cast

import msgspec
from aiokafka import AIOKafkaProducer

from detector.runtime.assembly import TaskMaker, read_rules
from detector.runtime.clock import SteppedClock
from detector.runtime.kafka.bundles import Bundles, Loaded
from detector.runtime.kafka.life import TaskLife
from detector.runtime.kafka.poison import Poison
from detector.runtime.kafka.stage import build_stages
from detector.runtime.kafka.state import PROGRESS_KEY, Progress, StoredState, decode_progress
from detector.runtime.kafka.surroundings import Surroundings
from detector.runtime.kafka.wire import Headers, raw_headers
from detector.runtime.partitioner import partition_of
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings
from detector.task import Record
from normalizers.context.store import ContextStore


class MemoryRecord(msgspec.Struct, frozen=True):
    """A record as the client hands it out."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class MemoryLine:
    """Every task of one worker or of several, each with what it committed.

    Args:
        settings: With the section `kafka`.
        seed: Chooses in which order tasks have their turns, and how much they take.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings, self._kafka = settings, settings.cluster()
        self._names = TopicNames(self._kafka.prefix)
        self._draw = random.Random(seed)  # noqa: S311  an order, not a secret
        self.clock = SteppedClock(0)
        self._logs = defaultdict[tuple[str, int], list[MemoryRecord]](list)
        self._state = defaultdict[tuple[str, int], dict[bytes, bytes]](dict)
        self._lives: dict[tuple[str, int], TaskLife] = {}
        self._stages = self.loaded().stages
        self.workers = [Bundles(self.loaded(), 0, max_wait_s=60.0) for _ in range(2)]

    def loaded(self) -> Loaded:
        """Load the rules that are on disk now."""
        ruleset = read_rules(self._settings)
        maker = TaskMaker(self._settings, ruleset, ContextStore(), raw_partitions=self._kafka.partitions.raw)
        return Loaded(ruleset, build_stages(self._settings, self._kafka, ruleset, maker))

    def append(self, records: Iterable[Record]) -> None:
        """Put records into the raw log."""
        for each in records:
            raw = each.record
            place = self._names.raw, partition_of(raw.source, self._kafka.partitions.raw)
            self._put(place, raw.source.encode(), raw.value, raw_headers(raw), each.ready_ns // 10**6)

    def run(self, *, end_ns: int | None = None, crashes: float = 0.0) -> None:
        """Give tasks turns until nothing is left to read; then their readers stand at the end, at a time."""
        while True:
            turns = [(name, partition) for name, stage in self._stages.items() for partition in range(stage.partitions)]
            self._draw.shuffle(turns)
            moved = [self._turn(*each, crashes) for each in turns]
            if not any(moved):
                break
        for _ in range(3 if end_ns is not None else 0):
            for place in sorted(self._lives):
                self._lives[place].tick(end_ns if place[0] == "sense" else None)
                self._commit(place)
            self.run(crashes=crashes)

    def alerts(self) -> dict[str, dict[str, Any]]:
        """Return the first revision of each alert."""
        found = dict[str, dict[str, Any]]()
        for each in self._logs[self._names.alerts, 0]:
            found.setdefault((each.key or b"").decode(), msgspec.json.decode(each.value or b""))
        return found

    def revisions(self) -> list[tuple[bytes | None, bytes]]:
        """Return alert id and number of every revision."""
        return [(each.key, dict(each.headers)["revision"]) for each in self._logs[self._names.alerts, 0]]

    def applied(self, name: str) -> int:
        """Return how many records the open tasks of a stage have applied, taken together."""
        return sum(life.position for (stage, _), life in self._lives.items() if stage == name)

    def raw_ids(self) -> list[str]:
        """Return source and id of each record of the raw log."""
        logs = [log for (topic, _), log in sorted(self._logs.items()) if topic == self._names.raw]
        return [f"{(each.key or b'').decode()} {dict(each.headers)['id'].decode()}" for log in logs for each in log]

    def title(self, alert_id: bytes | None) -> str:
        """Return the title of the rule of an alert."""
        return str(self.alerts()[(alert_id or b"").decode()]["rule"]["name"])

    def _turn(self, name: str, partition: int, crashes: float) -> bool:
        life = self._lives.get((name, partition)) or self._open(name, partition)
        log = self._logs[life.stage.topic, partition]
        taken = log[life._taken_to : life._taken_to + self._draw.choice([1, 3, 50, 500])]
        before = life.position
        life.process(cast(Any, taken))
        life.go_on()
        if self._draw.random() < crashes:
            del self._lives[name, partition]
            return True
        if life.is_touched and (self._draw.random() < 0.5 or not taken):
            self._commit((name, partition))
        return life.position > before or life._taken_to < len(log)

    def _open(self, name: str, partition: int) -> TaskLife:
        bundles = self.workers[partition % len(self.workers)]
        around = Surroundings({"client_id": "test"}, self.clock, bundles=bundles)
        life = TaskLife(bundles.stage(name, bundles.loaded), partition, around, Poison())
        entries = dict(self._state[name, partition])
        progress = entries.pop(PROGRESS_KEY, None)
        stored = StoredState(entries, Progress() if progress is None else decode_progress(progress))
        asyncio.run(life.resume(stored))
        life._producer = cast(AIOKafkaProducer, object())
        self._lives[name, partition] = life
        return life

    def _commit(self, place: tuple[str, int]) -> None:
        life = self._lives[place]
        life.tick()
        for each in life._take():
            if each.topic == self._names.state(place[0]):
                entries = self._state[place]
                if each.value is None:
                    entries.pop(each.key or b"", None)
                else:
                    entries[each.key or b""] = each.value
            else:
                now_ms = self.clock.now_ns() // 10**6
                self._put((each.topic, each.partition), each.key, each.value, each.headers, now_ms)
        if life.is_outdated:
            del self._lives[place]

    def _put(
        self, place: tuple[str, int], key: bytes | None, value: bytes | None, headers: Headers, timestamp: int
    ) -> None:
        log = self._logs[place]
        log.append(MemoryRecord(*place, len(log), timestamp, key, value, headers))
