"""Matching SigmaHQ's rules: events a second on one core, next to RSigma on the same lanes in the same run.

Run: ``python -m benchmarks.bench_match [--events 200000] [--lanes NAME...] [--batch 256] [--peer PATH]``.

Decoding the JSON, matching and writing a line a match are included. Loading is not, on either side: of the peer the
time it needs for one event is taken off, of ours the first 16,384 events, in which a log source's plans are made (the
longest of these batches is printed as the pause). CPU time is compared, as machines are noisy. Where the peer's command
is missing, the limit is decoding the same lines and nothing else.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.lanes import LANES, high_entropy, repeated, unpack
from benchmarks.peer import peer_run
from detector.engine import Engine
from detector.matching.grouping import SourceFields, Sources
from detector.matching.scanner import ScannerName
from detector.rules.loader import load_rules
from detector.rules.model import LogSource, RuleSet

WARM_UP = 16_384

AIMS = dict.fromkeys(("structured_windows", "sysmon_file_event", "match_heavy"), 5.0)
"""Ratio to the peer that batches of 100 and more aim at, by lane; 2 on the others."""


def aim_of(lane: str, batch: int, *, unrouted: bool) -> float:
    """Return the ratio to the peer that is aimed at: at least as fast one event a call, 6 without log sources."""
    if batch < 100:
        return 1.0
    return 6.0 if unrouted else AIMS.get(lane, 2.0)


class Run(msgspec.Struct):
    """One lane's figures: events a second by CPU time, matches, longest batch while planning, and peak memory."""

    rate: float
    matches: int
    pause_ms: float
    rss_mib: int


def run(
    ruleset: RuleSet, lines: Sequence[bytes], batch: int, sources: Sources, scanner: ScannerName | None = None
) -> Run:
    """Match lines in a process of its own, so that nothing is warm and the memory is its own."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.write(write, msgspec.msgpack.encode(_measure(Engine(ruleset, scanner), lines, batch, sources)))
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    return msgspec.msgpack.decode(content, type=Run)


def _measure(engine: Engine, lines: Sequence[bytes], batch: int, sources: Sources) -> Run:
    decoder = msgspec.json.Decoder()
    matches, pause, began = 0, 0.0, 0.0
    measured = 0
    with Path(os.devnull).open("wb") as output:
        for start in range(0, len(lines), batch):
            if start >= WARM_UP and not measured:
                measured, began = len(lines) - start, time.process_time()
            before = 0.0 if measured else time.process_time()  # reading this clock takes as long as a small event
            if batch == 1:
                events = [decoder.decode(lines[start])]
            else:
                events = decoder.decode_lines(b"\n".join(lines[start : start + batch]))
            found = engine.match_batch(events, sources)
            if found:
                output.writelines(
                    [
                        b'{"event_index":%d,"rule_id":"%s"}\n' % (start + row, rule.meta.id.encode())
                        for row, rule in found
                    ]
                )
                matches += len(found)
            if not measured:
                pause = max(pause, time.process_time() - before)
    rate = measured / (time.process_time() - began)
    return Run(rate, matches, pause * 1e3, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def peer_rate(command: str, rules: Path, lines: Sequence[bytes], *, routed: bool) -> tuple[float, int]:
    """Return the peer's events a second by CPU time, net of loading, and its matches."""
    routing = ["--logsource-routing"] if routed else []
    loading, _ = peer_run(command, rules, lines[:1], *routing)
    total, matches = peer_run(command, rules, lines, *routing)
    return len(lines) / max(total - loading, 1e-9), matches


def decode_rate(lines: Sequence[bytes], batch: int) -> float:
    """Return events a second of decoding alone."""
    decoder = msgspec.json.Decoder()
    began = time.process_time()
    for start in range(0, len(lines), batch):
        decoder.decode_lines(b"\n".join(lines[start : start + batch]))
    return len(lines) / (time.process_time() - began)


def main() -> None:
    """Print a line a lane."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--lanes", nargs="+", default=LANES)
    parser.add_argument("--batch", type=int, nargs="+", default=[256, 1])
    parser.add_argument("--peer", default=shutil.which("rsigma"))
    parser.add_argument("--unrouted", action="store_true", help="every rule on every event")
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sources: Sources = LogSource() if given.unrouted else SourceFields()
    with tempfile.TemporaryDirectory() as folder:
        rules = unpack("sigmahq_rules", Path(folder)) / "sigmahq" / "rules"
        lanes = unpack("lanes", Path(folder))
        ruleset = load_rules([rules])
        gc.collect()
        gc.freeze()
        print(f"{len(ruleset.rules):,} rules, {given.events:,} events a lane; peer: {given.peer or 'none installed'}")
        print(f"{'lane':<20} {'values':<9} {'batch':>5} {'events/s':>10} {'peer':>9} {'ratio':>6} {'aim':>4} "
              f"{'decoding':>9} {'matches':>8} {'peer':>8} {'pause':>6} {'memory':>7}")  # fmt: skip
        for lane in given.lanes:
            for values, make in (("repeated", repeated), ("entropy", high_entropy)):
                lines = make(lanes / f"{lane}.ndjson", given.events)
                peer, theirs = peer_rate(given.peer, rules, lines, routed=not given.unrouted) if given.peer else (0, 0)
                for batch in given.batch:
                    ours = run(ruleset, lines, batch, sources)
                    ratio = f"{ours.rate / peer:.2f}" if peer else "-"
                    aim = aim_of(lane, batch, unrouted=given.unrouted)
                    print(f"{lane:<20} {values:<9} {batch:>5} {ours.rate:>10,.0f} {peer:>9,.0f} {ratio:>6} {aim:>4.0f} "
                          f"{ours.rate / decode_rate(lines, batch):>9.2f} {ours.matches:>8,} {theirs:>8,} "
                          f"{ours.pause_ms:>4.0f}ms {ours.rss_mib:>4}MiB")  # fmt: skip
                    sys.stdout.flush()


if __name__ == "__main__":
    main()
