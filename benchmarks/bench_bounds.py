"""What more rules, hostile streams and a machine without Hyperscan cost matching, and how much memory it takes at most.

Run: ``python -m benchmarks.bench_bounds [--events 60000]``. CPU time of batches of 256 with JSON decoding; each figure
is a ratio to another of the same run, beside its aim.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import string
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.bench_match import Run, run
from benchmarks.lanes import LANES, high_entropy, unpack
from detector.matching.grouping import SourceFields
from detector.rules.condition import And, Condition, FieldTest, KeywordTest, Not, Or, TextTest
from detector.rules.loader import load_rules
from detector.rules.model import DetectionRule, RuleSet

FLAT = ("structured_windows", "raw_windows", "no_match")
"""Lanes on which the number of rules is varied: many candidates, few, none."""
ALL = ("rules", "rules-emerging-threats", "rules-threat-hunting")
MEMORY_AIM_MIB = 300
_BATCH = 256


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=60_000)
    events = parser.parse_args().events
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        sigma = unpack("sigmahq_rules", Path(folder)) / "sigmahq"
        lanes = unpack("lanes", Path(folder))
        rules = load_rules([sigma / "rules"])
        every = load_rules([sigma / name for name in ALL if (sigma / name).exists()], faults=[])
        gc.collect()
        gc.freeze()
        for lane in FLAT:
            _print_rules(lane, rules, high_entropy(lanes / f"{lane}.ndjson", events))
        _print_streams(rules, high_entropy(lanes / f"{FLAT[0]}.ndjson", events))
        _print_memory(every, [line for lane in LANES for line in high_entropy(lanes / f"{lane}.ndjson", events // 6)])


def _print_rules(lane: str, rules: RuleSet, lines: list[bytes]) -> None:
    draw = random.Random(7)  # noqa: S311  figures, not keys
    hundred = _with(rules, draw.sample(list(rules.rules.values()), 100))
    tripled = _with(rules, [each for mark in ("", "q7", "z9") for each in _changed(rules, mark)])
    few, usual, many = (_run(each, lines) for each in (hundred, rules, tripled))
    print(f"{lane:<28} {'events/s':>10} {'an event':>9}  aim")
    _print(f"{len(hundred.rules):,} rules at random", few, few)
    _print(f"{len(rules.rules):,}", usual, few, 1.5)
    _print(f"{len(tripled.rules):,} (literals changed)", many, usual, 1.3)
    slow = run(rules, lines, _BATCH, SourceFields(), "ahocorasick")
    _print(f"{len(rules.rules):,} without Hyperscan", slow, usual)


def _print_streams(rules: RuleSet, lines: list[bytes]) -> None:
    usual = _run(rules, lines)
    print(f"\n{'stream':<28} {'events/s':>10} {'an event':>9}  memory")
    for name, stream in (
        ("high entropy", lines),
        ("every value new", _new_values(lines)),
        ("every shape new", _shapes(lines)),
    ):
        given = list(stream)
        half, whole = _run(rules, given[: len(given) // 2]), _run(rules, given)
        size = _size_mib(given) + _size_mib(lines)
        print(f"{name:<28} {whole.rate:>10,.0f} {usual.rate / whole.rate:>9.2f}  "
              f"{half.rss_mib - size:,} MiB after half, {whole.rss_mib - size:,} MiB after all")  # fmt: skip


def _print_memory(rules: RuleSet, lines: list[bytes]) -> None:
    peak = _run(rules, lines).rss_mib - _size_mib(lines)
    verdict = "meets" if peak <= MEMORY_AIM_MIB else "misses"
    print(f"\n{len(rules.rules):,} rules, all lanes: {peak:,} MiB at most, aim {MEMORY_AIM_MIB}: {verdict}")


def _size_mib(lines: list[bytes]) -> int:
    """Return what the benchmark's own events take."""
    return sum(map(sys.getsizeof, lines)) >> 20


def _run(rules: RuleSet, lines: list[bytes]) -> Run:
    return run(rules, lines, _BATCH, SourceFields())


def _print(name: str, figure: Run, against: Run, aim: float | None = None) -> None:
    ratio = against.rate / figure.rate
    verdict = "" if aim is None else f"{aim} times: {'meets' if ratio <= aim else 'misses'}"
    print(f"{name:<28} {figure.rate:>10,.0f} {ratio:>9.2f}  {verdict}")


def _with(rules: RuleSet, chosen: list[DetectionRule]) -> RuleSet:
    return msgspec.structs.replace(rules, rules={each.meta.id: each for each in chosen}, correlations={})


def _changed(rules: RuleSet, mark: str) -> Iterator[DetectionRule]:
    """Yield each rule with a mark at the end of every text that it looks for, as another rule."""
    for rule in rules.rules.values():
        meta = msgspec.structs.replace(rule.meta, id=f"{rule.meta.id}{mark}")
        yield msgspec.structs.replace(rule, meta=meta, condition=_marked(rule.condition, mark))


def _marked(condition: Condition, mark: str) -> Condition:
    match condition:
        case And(parts) | Or(parts):
            return type(condition)(tuple(_marked(part, mark) for part in parts))
        case Not(part):
            return Not(_marked(part, mark))
        case FieldTest(path, TextTest(parts, cased)):
            return FieldTest(path, TextTest(_marked_parts(parts, mark), cased))
        case KeywordTest(TextTest(parts, cased)):
            return KeywordTest(TextTest(_marked_parts(parts, mark), cased))
        case _:
            return condition


def _marked_parts(parts: tuple[str | tuple[()] | None, ...], mark: str) -> tuple[str | tuple[()] | None, ...]:
    return tuple(part + mark if isinstance(part, str) else part for part in parts)


def _new_values(lines: list[bytes]) -> Iterator[bytes]:
    """Yield the events with texts that no event had before, as long as they were; their log source stays."""
    draw = random.Random(11)  # noqa: S311  figures, not keys
    for line in lines:
        event = msgspec.json.decode(line, type=dict[str, object])
        for name, value in event.items():
            if isinstance(value, str) and name not in {"product", "category", "service"}:
                event[name] = "".join(draw.choices(string.ascii_letters + " \\", k=len(value)))
        yield msgspec.json.encode(event)


def _shapes(lines: list[bytes]) -> Iterator[bytes]:
    """Yield the events with a field whose name no event had before."""
    for number, line in enumerate(lines):
        event = msgspec.json.decode(line, type=dict[str, object])
        yield msgspec.json.encode({**event, f"field{number}": "x"})


if __name__ == "__main__":
    main()
