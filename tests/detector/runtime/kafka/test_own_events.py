"""What two tasks notice is told once: both give it the same id, and the sense stage takes it once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from connectors.record import RawRecord
from detector.runtime.assembly import TaskMaker, read_rules
from detector.runtime.stages.ownevents import KEPT_NS
from detector.runtime.stages.sense import SenseTask
from detector.settings import Settings
from detector.task import ENGINE_DATASET, ENGINE_SOURCE, Record, Tick
from normalizers.context.store import ContextStore
from normalizers.event import EcsEvent
from tests.detector.runtime.kafka.memory import MemoryLine
from tests.detector.runtime.kafka.test_bundles import ENDED_NS, recorded, settings_of

IN_DOUBT = """
title: Card refused
name: refused
logsource: {category: physical_access}
detection: {s: {event.action: access-denied}, condition: s}
---
title: Door forced
name: forced
logsource: {category: physical_access}
detection: {s: {event.action: door-forced}, condition: s}
---
title: Refused, then forced, by clocks that nobody has
name: refused_then_forced
correlation:
  type: temporal_ordered
  rules: [refused, forced]
  group-by: [physical.portal.id]
  timespan: 10s
  max_clock_uncertainty: 1ms
---
title: Nobody could tell
name: gap
logsource: {category: engine}
detection: {s: {event.action: coverage-gap}, condition: s}
"""


def test_a_gap_that_two_partitions_notice_alerts_once(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(settings_of(tmp_path), keep_events=True)
    settings.rules[0].write_text(IN_DOUBT)
    line = MemoryLine(settings, 1)
    line.clock.set(ENDED_NS)
    line.append(recorded(1, count=300))
    line.run()
    line.run(end_ns=ENDED_NS)
    said = Counter(key for key in line.raw_ids() if key.startswith(ENGINE_SOURCE))
    assert max(said.values()) > 1, "no two partitions noticed the same: the test proves nothing"
    gaps = [revision for (key, revision) in line.revisions() if line.title(key) == "Nobody could tell"]
    assert gaps == [b"1"] * len(said)


def _task(settings: Settings) -> SenseTask:
    return TaskMaker(settings, read_rules(settings), ContextStore(), raw_partitions=1).sense(0, 1)


def _said(name: str, ready_ns: int) -> Record:
    value = b'{"@timestamp":"2027-01-15T08:00:00Z","event.action":"coverage-gap"}'
    return Record(RawRecord(name, ENGINE_SOURCE, ENGINE_DATASET, ready_ns, value), ready_ns)


def _events(task: SenseTask, *records: Record) -> int:
    outputs = task.process([*records, Tick(ENDED_NS)])
    return sum(isinstance(each, EcsEvent) for each in outputs)


def test_an_id_is_taken_once_a_day_also_after_a_restart(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    task = _task(settings)
    assert _events(task, _said("a", ENDED_NS), _said("a", ENDED_NS), _said("b", ENDED_NS + 1)) == 2
    again = _task(settings)
    for key, state in task.dirty():
        assert state is not None
        again.restore(key, state)
    again.restored()
    assert _events(again, _said("a", ENDED_NS + KEPT_NS), _said("b", ENDED_NS + KEPT_NS)) == 0
    assert _events(again, _said("a", ENDED_NS + KEPT_NS + 1), _said("b", ENDED_NS + KEPT_NS + 1)) == 1
    assert {key for key, state in again.dirty() if state is None and key[:1] == b"e"} == set()
