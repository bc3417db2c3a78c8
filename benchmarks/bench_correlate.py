"""Correlating candidates on one core: a second by type, by length of window, bytes a group, a flood, and the peer.

Run: ``python -m benchmarks.bench_correlate [--candidates 300000] [--groups 100000] [--peer PATH]``.

Candidates are made before the clock starts: ordering, windows, evaluation, alerts and forgetting are measured, by CPU
time. `checkpoint` adds writing all changed state. Against the peer both do the whole of it, from JSON lines to alerts;
of each the time for a few events is taken off. Every figure stands beside its aim or beside another of the same run.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import shutil
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks.peer import peer_run
from detector.candidate import Candidate
from detector.correlation.correlator import Correlator
from detector.correlation.ordering import NOT_YET
from detector.correlation.plan import CorrelationSettings
from detector.engine import Engine
from detector.evaluation import BATCH, BatchEvaluator
from detector.matching.grouping import SourceFields
from detector.rules.loader import load_rules
from detector.rules.model import RuleSet
from detector.task import EngineEvent, LogRecord, Output, PartitionClock

MS = 10**6
START_NS = 1_790_000_000 * 10**9
FEW = 2_000
"""Events whose time is taken off, on both sides: loading, and planning."""

AIMS = {"event_count": 150_000, "value_count": 80_000, "temporal_ordered": 80_000, "temporal": 80_000}
BYTES_AIM = 500
A, B, C = (f"00000000-0000-4000-8000-00000000000{name}" for name in "abc")
"""Ids of three rules: the peer finds rules by name only where a correlation counts."""

TYPES = {
    "event_count": f"type: event_count\n  rules: [{A}]\n  condition: {{gte: 10}}",
    "value_count": f"type: value_count\n  rules: [{A}]\n  condition: {{gte: 10, field: destination.ip}}",
    "temporal": f"type: temporal\n  rules: [{A}, {B}, {C}]\n  condition: {{gte: 3}}",
    "temporal_ordered": f"type: temporal_ordered\n  rules: [{A}, {B}, {C}]\n  condition: {{gte: 3}}",
}
_RULES = "".join(
    f"title: {each[-1]}\nid: {each}\nlogsource: {{}}\n"
    f"detection: {{s: {{event.action: {each[-1]}}}, condition: s}}\n---\n"
    for each in (A, B, C)
)
_TABLE = "{:<42} {:>12} {:>12} {:>7}  {}"


def ruleset(body: str) -> RuleSet:
    """Return one correlation by user over the rules a, b and c."""
    return load_rules(f"{_RULES}title: t\nname: t\ncorrelation:\n  group-by: [user.name]\n  timespan: 5m\n  {body}\n")


def candidates(
    count: int, groups: int, rules: Sequence[str], *, addresses: int = 65_536, step_ns: int = MS
) -> list[Candidate]:
    """Return candidates of random groups, one each step."""
    draw = random.Random(7)  # noqa: S311  figures, not keys
    users = [(f"user{number:06d}",) for number in range(groups)]
    found = list[Candidate]()
    for number in range(count):
        group, rule, address = users[draw.randrange(groups)], draw.choice(rules), draw.randrange(addresses)
        time_ns = START_NS + number * step_ns
        found.append(
            Candidate(
                correlation_id="t",
                group=group,
                rule_name=rule,
                event_id=f"{draw.getrandbits(128):032x}",
                time_ns=time_ns,
                ready_ns=time_ns + MS,
                uncertainty_ns=0,
                source="s",
                fields={
                    "event.action": rule,
                    "user.name": group[0],
                    "destination.ip": f"10.0.{address}",
                    "host.name": "h",
                },
            )
        )
    return found


def drive(rules: RuleSet, given: Sequence[Candidate], settings: CorrelationSettings, batch: int = 2_000) -> Driven:
    """Apply candidates batch by batch, with a checkpoint after each."""
    correlator = Correlator(rules, [0], settings)
    gc.collect()
    gc.freeze()
    applying = writing = 0.0
    outputs = list[Output]()
    for start in range(0, len(given), batch):
        part: list[LogRecord] = [*given[start : start + batch]]
        part.append(PartitionClock(0, given[min(start + batch, len(given)) - 1].ready_ns, 0))
        began = time.process_time()
        outputs += correlator.process(part)
        applied = time.process_time()
        for _ in correlator.dirty():
            pass
        applying, writing = applying + applied - began, writing + time.process_time() - applied
    return Driven(len(given) / applying, len(given) / (applying + writing), outputs)


class Driven(msgspec.Struct):
    """Candidates a second, those with checkpoints, and what came out."""

    rate: float
    stored_rate: float
    outputs: list[Output]


SETTINGS = CorrelationSettings(watched_from_ns=NOT_YET, assume_covered=True)


def print_types(count: int, groups: int) -> None:
    """Print candidates a second of each type."""
    print(_TABLE.format(f"type, {groups:,} live groups", "candidates/s", "checkpoint", "aim", ""))
    for name, body in TYPES.items():
        driven = drive(
            ruleset(body),
            candidates(count, groups, (A, B, C) if name in {"temporal", "temporal_ordered"} else (A,)),
            SETTINGS,
        )
        verdict = "meets" if driven.rate >= AIMS[name] else "misses"
        print(
            _TABLE.format(name, f"{driven.rate:,.0f}", f"{driven.stored_rate:,.0f}", f"{AIMS[name] // 1000}k", verdict)
        )


def print_windows(count: int) -> None:
    """Print what a candidate costs in longer and longer windows of one group, before and during an episode."""
    for name, condition in (("value_count, nothing found", "gte: 1000000"), ("value_count, alert open", "gte: 2")):
        first = 0.0
        for entries in (10, 100, 1_800, 9_000):
            rules = ruleset(f"type: value_count\n  rules: [{A}]\n  condition: {{{condition}, field: destination.ip}}")
            given = candidates(count, 1, (A,), addresses=entries, step_ns=300 * 1_000 * MS // entries)
            rate = drive(rules, given, SETTINGS).rate
            first = first or rate
            print(
                _TABLE.format(
                    f"{name}, {entries:,} in window", f"{rate:,.0f}", "", "", f"{rate / first:.2f} of the first"
                )
            )


def print_memory(groups: int) -> None:
    """Print bytes a group keeps beyond its entries, at one entry a group."""
    for name, body in TYPES.items():
        rules = ruleset(body)
        given = candidates(groups, groups * 1_000, (A,))
        entry = sys.getsizeof((0, "", "", None)) + 8
        correlator = Correlator(rules, [0], SETTINGS)
        gc.collect()
        tracemalloc.start()
        correlator.process([*given, PartitionClock(0, given[-1].ready_ns + 60 * 10**9, 0)])
        for _ in correlator.dirty():
            pass
        gc.collect()
        size = tracemalloc.get_traced_memory()[0] / groups - entry
        tracemalloc.stop()
        verdict = "meets" if size <= BYTES_AIM else "misses"
        print(_TABLE.format(f"{name}, bytes a group", f"{size:,.0f}", "", f"{BYTES_AIM}", verdict))


def print_flood(count: int) -> None:
    """Print how a flood of new keys is borne, and whether a slow session survives it."""
    budget = count // 10
    settings = msgspec.structs.replace(SETTINGS, budget=budget)
    flood = candidates(count, count * 1_000, (A,))
    slow = [
        msgspec.structs.replace(each, group=("slow",), event_id=f"slow{number}")
        for number, each in enumerate(flood[:: count // 10])
    ]
    given = sorted([*flood, *slow], key=lambda each: (each.time_ns, each.event_id))
    driven = drive(ruleset(TYPES["event_count"].replace("gte: 10", "gte: 8")), given, settings)
    reports = sum(isinstance(each, EngineEvent) for each in driven.outputs)
    found = {getattr(each, "group", None) for each in driven.outputs} - {None}
    verdict = f"slow session {'found' if found == {('slow',)} else 'lost'}, reported {reports} times"
    title = f"flood, budget {budget:,}"
    print(_TABLE.format(title, f"{driven.rate:,.0f}", f"{driven.stored_rate:,.0f}", "", verdict))


def print_peer(command: str | None, count: int) -> None:
    """Print events a second from JSON lines to alerts, ours and the peer's, with one rule and with four."""
    lines = [msgspec.json.encode(event) for event in _events(count)]
    for title, bodies in (("one rule", ["event_count"]), ("four rules", list(TYPES))):
        rules = _RULES + "---\n".join(
            f"title: {name}\nname: {name}\ncorrelation:\n  group-by: [user.name]\n  timespan: 5m\n  {TYPES[name]}\n"
            for name in bodies
        )
        ours = (count - FEW) / (_our_cpu_s(rules, lines) - _our_cpu_s(rules, lines[:FEW]))
        theirs = _peer_rate(command, rules, lines)
        ratio = f"{ours / theirs:.2f} of the peer's" if theirs else "no peer installed"
        print(_TABLE.format(f"JSON to alerts, {title}", f"{ours:,.0f}", "", "", f"peer {theirs:,.0f}: {ratio}"))


def _events(count: int) -> Iterator[dict[str, str]]:
    draw = random.Random(7)  # noqa: S311  figures, not keys
    for number in range(count):
        clock = f"{number // 3_600_000:02d}:{number // 60_000 % 60:02d}:{number / 1_000 % 60:06.3f}"
        yield {
            "@timestamp": f"2026-10-20T{clock}Z",
            "event.action": draw.choices("abc", (500, 499, 1))[0],  # alerts are rare
            "user.name": f"user{draw.randrange(20_000):05d}",
            "destination.ip": f"10.0.{draw.randrange(256)}.{draw.randrange(256)}",
            "host.name": f"host{draw.randrange(500)}",
        }


def _our_cpu_s(rules: str, lines: Sequence[bytes]) -> float:
    began = time.process_time()
    engine, decoder, fields = Engine(load_rules(rules)), msgspec.json.Decoder(), SourceFields()
    batch = BatchEvaluator(engine.ruleset, lambda some: engine.match_batch(some, fields))
    batch.evaluate(decoder.decode_lines(b"\n".join(lines[at : at + BATCH])) for at in range(0, len(lines), BATCH))
    return time.process_time() - began


def _peer_rate(command: str | None, rules: str, lines: Sequence[bytes]) -> float:
    if command is None:
        return 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rules.yml")
        path.write_text(rules, encoding="utf-8")
        few, _ = peer_run(command, path, lines[:FEW], "--no-detections")
        whole, _ = peer_run(command, path, lines, "--no-detections")
        return (len(lines) - FEW) / max(whole - few, 1e-9)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=300_000)
    parser.add_argument("--groups", type=int, default=100_000)
    parser.add_argument("--peer", default=shutil.which("rsigma"))
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print_types(given.candidates, given.groups)
    print_windows(min(given.candidates, 30_000))
    print_memory(min(given.groups, 100_000))
    print_flood(given.candidates)
    print_peer(given.peer, given.candidates)


if __name__ == "__main__":
    main()
