"""Rules that take over at a time of the raw log: every order of turns gives what one process gives."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.record import RawRecord, hashed_id
from detector.alert import AlertDraft
from detector.correlation.correlator import Correlator
from detector.rules.loader import load_rules
from detector.rules.model import RuleSet
from detector.runtime.assembly import TaskMaker, read_rules
from detector.runtime.clock import SteppedClock
from detector.runtime.embedded.assembly import assemble
from detector.settings import Settings, load_settings
from detector.task import Bundle, Record
from normalizers.context.store import ContextStore
from normalizers.timestamps import format_utc
from tests.detector.runtime.kafka.changing import FIRST, SECOND
from tests.detector.runtime.kafka.memory import MemoryLine

SECOND_NS = 10**9
BEGAN_NS = 1_800_000_000 * SECOND_NS
SWITCHED_NS = BEGAN_NS + 30 * SECOND_NS + 123_456
ENDED_NS = BEGAN_NS + 60 * SECOND_NS
DRAFT = AlertDraft(
    alert_id="202701-1",
    rule_id="many_refused",
    group=(),
    status="closed",
    opened_ns=1,
    last_ns=1,
    ready_ns=1,
    count=1,
    steps=(),
    fields={},
)
NAMES = ["Access denied", "Access denied", "Access denied", "Forced door", "Access granted"]


def settings_of(folder: Path) -> Settings:
    folder.mkdir(exist_ok=True)
    (folder / "rules.yml").write_text(FIRST)
    (folder / "isthmus.yml").write_text(
        "rules: [rules.yml]\nraw_partitions: 4\nlateness: {default: 1s}\nrules_cache: {enabled: false}\n"
        "kafka: {connection: {brokers: ['127.0.0.1:1'], plaintext: true}, partitions: {raw: 4, candidates: 3}}\n"
    )
    return msgspec.structs.replace(load_settings(folder / "isthmus.yml"), durable=False, data_dir=folder / "data")


def recorded(seed: int, count: int = 900) -> list[Record]:
    draw = random.Random(seed)  # noqa: S311  a fixed recording, not a secret
    records = list[Record]()
    for number, ms in enumerate(sorted(draw.sample(range(60_000), count))):
        ready_ns = BEGAN_NS + ms * 10**6
        stamp = format_utc(ready_ns - draw.randrange(900) * 10**6)
        name, door = draw.choice(NAMES), f"door-{draw.randrange(20)}"
        value = json.dumps({"time": stamp, "type": {"id": "1", "name": name}, "source": {"name": door}}).encode()
        source = f"site/{draw.randrange(7)}"
        records.append(Record(RawRecord(hashed_id(seed, number), source, "gallagher.event", ready_ns, value), ready_ns))
    return records


def embedded(settings: Settings, records: Sequence[Record]) -> dict[str, Any]:
    """Return the first revision of each alert of one process whose rules change at the same time."""
    clock, found = SteppedClock(0), dict[str, Any]()
    settings.rules[0].write_text(FIRST)
    parts = assemble(settings, clock)
    later = [SWITCHED_NS, ENDED_NS, ENDED_NS + 3_600 * SECOND_NS, ENDED_NS + 7_200 * SECOND_NS]
    for since_ns, until_ns in zip([0, *later], later, strict=False):
        parts.rawlog.append_recorded([each for each in records if since_ns <= each.ready_ns < until_ns])
        clock.set(until_ns)
        at_end = False
        while not at_end:
            progress = parts.driver.step(until_ns)
            at_end = progress.at_end
            for alert in progress.alerts:
                found.setdefault(alert.id, alert.document)
        if until_ns == SWITCHED_NS:
            settings.rules[0].write_text(SECOND)
            parts.driver.adopt(parts.build(read_rules(settings)))
    parts.close()
    return found


def change(line: MemoryLine, settings: Settings) -> None:
    """Let every worker have other rules, and hear when they take over."""
    settings.rules[0].write_text(SECOND)
    for worker in line.workers:
        loaded = line.loaded()
        asyncio.run(worker.load(loaded))
        worker.hear(Bundle(loaded.ruleset.bundle_hash, SWITCHED_NS))


@pytest.mark.parametrize(("seed", "crashes"), [(1, 0.0), (2, 0.0), (3, 0.1), (4, 0.3)])
def test_every_record_is_decided_by_the_rules_of_its_time(tmp_path: Path, seed: int, crashes: float) -> None:
    settings = settings_of(tmp_path / "a")
    records = recorded(seed)
    line = MemoryLine(settings, seed)
    early = random.Random(seed).randrange(400)  # noqa: S311  as above
    line.append(records[:early])
    line.run(crashes=crashes)
    change(line, settings)
    line.append(records[early:])
    line.run(crashes=crashes)
    line.run(end_ns=ENDED_NS, crashes=crashes)
    for hours in (1, 2):
        line.run(end_ns=ENDED_NS + hours * 3_600 * SECOND_NS)
    expected, found = embedded(settings_of(tmp_path / "b"), records), line.alerts()
    assert sorted(found) == sorted(expected)
    assert len(expected) > 100
    assert {key: each["convergence"]["bundle"] for key, each in found.items()} == {
        key: each["convergence"]["bundle"] for key, each in expected.items()
    }
    assert {each["rule"]["name"] for each in found.values()} >= {"Door forced, nobody let in", "Card granted"}
    assert len(set(line.revisions())) == len(line.revisions())


def test_a_worker_without_the_announced_rules_waits_then_goes_on_with_its_own(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    records = recorded(5, count=300)
    line = MemoryLine(settings, 5)
    settings.rules[0].write_text(SECOND)
    loaded = line.loaded()
    for worker in line.workers:
        worker.hear(Bundle(loaded.ruleset.bundle_hash, SWITCHED_NS))
    line.append(records)
    line.run()
    before = sum(each.ready_ns < SWITCHED_NS for each in records)
    assert line.applied("sense") == before
    for worker in line.workers:
        worker._max_wait_s = -1.0
    line.run()
    line.run(end_ns=ENDED_NS)
    assert line.applied("sense") == len(records)
    own = {each["convergence"]["bundle"] for each in line.alerts().values()}
    assert own == {line.workers[0].loaded}
    for worker in line.workers:
        asyncio.run(worker.load(loaded))
    line.append([msgspec.structs.replace(each, ready_ns=each.ready_ns + 60 * SECOND_NS) for each in recorded(6, 300)])
    line.run()
    line.run(end_ns=ENDED_NS + 3_600 * SECOND_NS)
    assert {each["convergence"]["bundle"] for each in line.alerts().values()} == own | {loaded.ruleset.bundle_hash}


def test_an_alert_of_rules_that_only_others_have_waits_for_their_words(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    line = MemoryLine(settings, 1)
    (worker, _) = line.workers
    settings.rules[0].write_text(SECOND)
    loaded = line.loaded()
    draft = msgspec.structs.replace(DRAFT, rule_id="granted_now", bundle=loaded.ruleset.bundle_hash)
    assert worker.admit(DRAFT) is DRAFT
    assert worker.admit(draft) is None
    asyncio.run(worker.load(loaded))
    assert worker.admit(draft) is draft
    unknown = msgspec.structs.replace(draft, rule_id="left", bundle="other")
    assert worker.admit(unknown) is None
    worker._max_wait_s = -1.0
    assert worker.admit(unknown) is unknown


def test_a_correlation_that_joins_a_chain_starts_anew(tmp_path: Path) -> None:
    """What it has seen is in other partitions: gone on with there, its partners would be missing for ever."""
    settings = settings_of(tmp_path)
    ruleset = load_rules([FIRST])
    places = dict[str, str]()
    task = _correlator(settings, ruleset, places)
    task._watermark.report(0, BEGAN_NS, 1)
    same, moved = _correlator(settings, ruleset, places), _correlator(settings, ruleset, {"many_refused": "chain"})
    assert same.succeed(task) is True
    assert same._levels[1].changed == frozenset()
    assert moved.succeed(same) is True
    assert moved._levels[1].changed == {"many_refused"}
    again = _correlator(settings, ruleset, {"many_refused": "chain"})
    assert again.succeed(moved) is True
    assert again._levels[1].changed == frozenset()


def _correlator(settings: Settings, ruleset: RuleSet, places: dict[str, str]) -> Correlator:
    return TaskMaker(settings, ruleset, ContextStore(), raw_partitions=1).correlate(places)


def test_what_others_have_replaced_is_not_announced_again(tmp_path: Path) -> None:
    """A worker whose files were forgotten must not bring the old rules back when it comes to lead."""
    settings = settings_of(tmp_path)
    line = MemoryLine(settings, 1)
    changed, forgotten = line.workers
    settings.rules[0].write_text(SECOND)
    loaded = line.loaded()
    assert forgotten.unannounced() == forgotten.loaded
    asyncio.run(changed.load(loaded))
    assert changed.unannounced() == loaded.ruleset.bundle_hash
    for worker in line.workers:
        worker.hear(Bundle(loaded.ruleset.bundle_hash, SWITCHED_NS))
        assert worker.unannounced() is None
    settings.rules[0].write_text(FIRST)
    asyncio.run(changed.load(line.loaded()))
    assert changed.unannounced() == forgotten.loaded
