"""What a flood of sources costs that speak once each: time, memory, and what the state keeps of them.

Run: ``python -m benchmarks.bench_sources [--sources 1000000]``. A whole embedded engine of its own with the bundled
rules and two partitions takes in one record of each source within ten hours, and waits for another one. CPU time of one
process.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from connectors.record import Document
from detector.runtime.clock import SteppedClock
from detector.runtime.embedded.assembly import Assembly, assemble
from detector.runtime.embedded.enginelog import begin_watch
from detector.settings import Settings

NS = 10**9
START_NS = 1_792_450_000 * NS
SPREAD_NS = 36_000 * NS
BATCH = 2_000
STATE = {b"c": "clocks", b"w": "heard", b"r": "rhythms", b"i": "inputs", b"s": "begin"}


class Flood(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes:
        sources: How many spoke.
        cpu_s: CPU time.
        grown_mb: Peak memory of the process less that before.
        peak_mb: Peak memory of the process.
        kept: Entries of the sense tasks' state by kind; a clock has up to three.
        state_mb: Their size.
    """

    sources: int
    cpu_s: float
    grown_mb: float
    peak_mb: float
    kept: dict[str, int]
    state_mb: float


def documents(count: int) -> Iterator[list[tuple[int, Document]]]:
    """Yield batches of documents with the time each is received."""
    for first in range(0, count, BATCH):
        batch = list[tuple[int, Document]]()
        for number in range(first, min(first + BATCH, count)):
            now_ns = START_NS + SPREAD_NS * number // count
            value = b'{"ts":%.3f,"id.orig_h":"10.0.0.1","id.resp_h":"10.0.0.2"}' % (now_ns / NS)
            batch.append((now_ns, Document(source=f"invented/{number}", dataset="zeek.conn", value=value)))
        yield batch


def flood(count: int, folder: Path) -> Flood:
    """Take in one record of each of so many sources."""
    clock = SteppedClock(START_NS)
    parts = assemble(Settings(data_dir=folder, durable=False), clock)
    before_mb, before_s = peak_mb(), time.process_time()
    begin_watch(parts.rawlog, parts.store)
    for batch in documents(count):
        clock.set(batch[-1][0])
        parts.rawlog.append([document for _, document in batch])
        _run(parts, clock)
    clock.set(clock.now_ns() + 3_600 * NS)
    _run(parts, clock)
    cpu_s = time.process_time() - before_s
    entries = [entry for partition in range(2) for entry in parts.store.state("sense", partition)]
    kept = Counter(STATE.get(key[:1], "others") for key, _ in entries)
    size = sum(len(key) + len(value) for key, value in entries)
    peak = peak_mb()
    parts.close()
    return Flood(count, cpu_s, peak - before_mb, peak, dict(kept), size / 1e6)


def _run(parts: Assembly, clock: SteppedClock) -> None:
    while not parts.driver.step(clock.now_ns()).at_end:
        pass
    parts.driver.checkpoint()


def peak_mb() -> float:
    """Return the largest resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print what a flood costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=1_000_000)
    count = parser.parse_args().sources
    with tempfile.TemporaryDirectory(prefix="isthmus-sources-") as folder:
        found = flood(count, Path(folder))
    each_us = found.cpu_s / count * 1e6
    print(f"{found.sources:,} sources of one record each: {found.cpu_s:.0f} s of CPU, {each_us:.0f} us each")
    print(f"peak {found.peak_mb:.0f} MiB, {found.grown_mb:.0f} MiB more than before the first record")
    kept = ", ".join(f"{number:,} {kind}" for kind, number in sorted(found.kept.items()))
    print(f"state {found.state_mb:.1f} MB: {kept}")


if __name__ == "__main__":
    main()
