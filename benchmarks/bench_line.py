"""Records a second through the whole line on one core, stage by stage, and memory as the count grows.

Run: ``python -m benchmarks.bench_line [--records 100000] [--rules PATH...]``. Every figure stands
beside a ratio to a limit measured in the same run (decoding the same bytes with msgspec and nothing else), as machines
are noisy.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from connectors.recognition import recognise
from connectors.record import Document, RawRecord, record_id
from detector.demo.channels import HTTP
from detector.demo.noise import DAY_S, SECOND, ordinary_day
from detector.demo.script import PLANT, load_day, midnight_ns
from detector.engine import Engine
from detector.rules.bundled import bundled_rules
from detector.rules.loader import load_rules
from detector.rules.logsources import LogSourceMap
from detector.runtime.embedded.assembly import build_stages
from detector.runtime.embedded.replaying import Replayed, replay
from detector.runtime.stages.sense import SenseTask
from detector.settings import load_settings
from detector.task import Record
from normalizers.clock.fixed import correct_fixed
from normalizers.context.enrich import Enricher
from normalizers.context.store import ContextStore
from normalizers.context.tables import load_context
from normalizers.event import EcsEvent
from normalizers.registry import normalizer_for

OTHER = {
    "guacamole": ("plant-a/guacamole", "guacamole.session"),
    "vpn": ("plant-a/vpn", "cisco.asa"),
    "bastion": ("plant-a/bastion", "linux.auth"),
    "zeek": ("plant-a/zeek", "zeek.conn"),
}
BATCH = 2_000


def records(count: int) -> Iterator[Record]:
    """Yield the demo plant's day again and again, each a minute apart in receipt; reports in files are left out."""
    start_ns = midnight_ns()
    kept = {**HTTP, **OTHER}
    day = sorted(
        each
        for each in (*load_day(), *ordinary_day(start_ns))
        if each.channel in kept and not each.body.startswith(b"[")  # a listener would cut an array apart
    )
    number = 0
    while True:
        for sending in day:
            source, dataset = kept[sending.channel]
            # Time goes on over the repeats; stamps inside the records stay, so repeats are late, as after an outage.
            ready_ns = sending.sent_ns + number // len(day) * DAY_S * SECOND
            document = Document(source=source, dataset=dataset, value=sending.body, input="bench", position=number)
            named = dataset or recognise(sending.body) or "unknown"
            raw = RawRecord(record_id(document, ready_ns), source, named, ready_ns, sending.body)
            yield Record(raw, ready_ns, "bench", number)
            number += 1
            if number >= count:
                return


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the whole line.")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rules", type=Path, nargs="*", default=[], help="rules beside the bundled ones, for sensing")
    given = parser.parse_args()
    settings = load_settings(PLANT / "isthmus.yml")
    profiles = settings.profiles()
    sample = list(records(min(given.records, 50_000)))
    values = [each.record.value for each in sample if each.record.value[:1] == b"{"]
    limit = _rate(len(values), lambda: [msgspec.json.decode(value) for value in values])
    print(f"limit: decoding the JSON alone            {limit:>10,.0f} records/s   1.00")

    def normalized() -> list[EcsEvent]:
        return [
            event
            for each in sample
            for event in normalizer_for(each.record.dataset)(each.record, profiles[each.record.source])
        ]

    _print("normalizing", _rate(len(sample), normalized), limit)
    events = normalized()
    store = ContextStore()
    for rows in load_context(PLANT / "context"):
        store.apply(rows)
    enricher = Enricher(store)

    def enriched() -> None:
        for event in events:
            correct_fixed(event, profiles[event.source])
            enricher.enrich(event, profiles[event.source])

    _print("clock and context, per event", _rate(len(events), enriched), limit)
    engine, logsources = Engine(load_rules(bundled_rules())), LogSourceMap.bundled()

    def matched() -> None:
        for event in events:
            engine.rules_matching(event.fields, logsources.of(event.dataset, event.fields))

    _print("matching the bundled rules, per event", _rate(len(events), matched), limit)
    rules = load_rules([bundled_rules(), *given.rules], faults=[])
    for size in (1, BATCH):
        sense = build_stages(settings, rules, store, generation=1).sense[0]
        rate = _rate(len(sample), partial(_sensed, sense, sample, size))
        _print(f"sensing with {len(rules.rules):,} rules, by {size:,}", rate, limit)
    _line(given.records, limit)


def _sensed(sense: SenseTask, sample: list[Record], size: int) -> None:
    for start in range(0, len(sample), size):
        sense.process(sample[start : start + size])


def _line(count: int, limit: float) -> None:
    memory = dict[int, float]()

    def note(done: Replayed) -> None:
        memory[done.records] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(PLANT / "isthmus.yml")
        settings = msgspec.structs.replace(settings, data_dir=Path(folder))
        began = time.perf_counter()
        done = replay(settings, records(count), batch=BATCH, on_batch=note)
        wall_s = time.perf_counter() - began
    _print("whole line, raw record to alert", done.records / wall_s, limit)
    tenth = next(rss for seen, rss in memory.items() if seen >= count // 10)
    last = list(memory.values())[-1]
    print(f"memory after {count // 10:,} records {tenth:,.0f} MiB, after {count:,} {last:,.0f} MiB: {last / tenth:.2f}")
    print(f"{done.events:,} events, {done.dead_letters:,} dead letters, {len(done.alerts)} alerts", file=sys.stderr)


def _rate(count: int, work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return count / (time.process_time() - began)


def _print(name: str, rate: float, limit: float) -> None:
    print(f"{name:<41} {rate:>10,.0f} records/s   {rate / limit:.2f}")


if __name__ == "__main__":
    main()
