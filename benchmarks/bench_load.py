"""Loading rules: from text, from the compiled cache, with one file changed, and what an engine costs to make of them.

Run: ``python -m benchmarks.bench_load``. CPU time of one core, each figure in a process of its own beside its aim; the
median of some runs. Where the peer's command is installed its start with the same rules stands beside it.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.lanes import unpack
from detector.engine import Engine
from detector.rules.cache import RuleCache
from detector.rules.loader import load_rules
from detector.rules.model import RuleSet

FOLDERS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
AIMS_S = {"cold": 6.0, "from the cache": 1.0, "one file changed": 1.0}
RUNS = 3


class Cost(msgspec.Struct):
    """What some work cost: CPU seconds, MiB that it left in memory, MiB at its peak, and rules loaded."""

    cpu_s: float
    kept_mib: float
    peak_mib: float
    rules: int


def measured(work: Callable[[], RuleSet]) -> Cost:
    """Do work in a process of its own, so that nothing is warm and the memory is its own."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        before_mib, began = _resident_mib(), time.process_time()
        ruleset = work()
        cpu_s = time.process_time() - began
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        cost = Cost(cpu_s, _resident_mib() - before_mib, peak_mib, len(ruleset.rules))
        os.write(write, msgspec.msgpack.encode(cost))
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    return msgspec.msgpack.decode(content, type=Cost)


def median(costs: list[Cost]) -> Cost:
    """Return the run of median CPU time."""
    return sorted(costs, key=lambda cost: cost.cpu_s)[len(costs) // 2]


def peer_start_s(command: str, folders: list[Path]) -> float:
    """Return CPU seconds of the peer from its start to its first answer, over all folders."""
    with tempfile.TemporaryDirectory() as folder:
        for each in folders:
            (Path(folder) / each.name).symlink_to(each, target_is_directory=True)
        arguments = [command, "engine", "eval", "-r", folder, "-e", '{"a": 1}', "--quiet"]
        runs = list[float]()
        for _ in range(RUNS):
            process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                raise SystemExit(f"{' '.join(arguments)} ended with {os.waitstatus_to_exitcode(status)}")
            runs.append(usage.ru_utime + usage.ru_stime)
    return statistics.median(runs)


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def _loads(folders: list[Path], cache: Path) -> dict[str, Callable[[], RuleSet]]:
    def cold() -> RuleSet:
        shutil.rmtree(cache, ignore_errors=True)
        return load_rules(folders, faults=[], cache=RuleCache(cache))

    def cached() -> RuleSet:
        return load_rules(folders, faults=[], cache=RuleCache(cache))

    def changed() -> RuleSet:
        with min(folders[0].rglob("*.yml")).open("ab") as file:
            file.write(b"# changed\n")
        return load_rules(folders, faults=[], cache=RuleCache(cache))

    return {"cold": cold, "from the cache": cached, "one file changed": changed}


def main() -> None:
    """Print a line for each way to start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", default=shutil.which("rsigma"))
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        tree = unpack("sigmahq_rules", Path(folder)) / "sigmahq"
        folders = [tree / each for each in FOLDERS]
        peer_s = peer_start_s(given.peer, folders) if given.peer else 0.0
        print(f"peer: {given.peer or 'none installed'}" + (f", starts in {peer_s:.2f} s" if peer_s else ""))
        print(f"{'start':<18} {'rules':>6} {'CPU':>7} {'aim':>6} {'peer':>6} {'kept':>8} {'peak':>8}")
        for name, work in _loads(folders, Path(folder) / "cache").items():
            cost = median([measured(work) for _ in range(RUNS)])
            _print(name, cost, AIMS_S[name], peer_s)
        ruleset = load_rules(folders, faults=[], cache=RuleCache(Path(folder) / "cache"))

        def engine() -> RuleSet:
            return Engine(ruleset).ruleset

        def both() -> RuleSet:
            return Engine(load_rules(folders, faults=[], cache=RuleCache(Path(folder) / "cache"))).ruleset

        _print("engine alone", median([measured(engine) for _ in range(RUNS)]), None, peer_s)
        _print("cache and engine", median([measured(both) for _ in range(RUNS)]), AIMS_S["from the cache"], peer_s)


def _print(name: str, cost: Cost, aim_s: float | None, peer_s: float) -> None:
    aim = "-" if aim_s is None else f"{aim_s:.1f} s"
    ratio = f"{cost.cpu_s / peer_s:.2f}" if peer_s else "-"
    print(f"{name:<18} {cost.rules:>6,} {cost.cpu_s:>5.2f} s {aim:>6} {ratio:>6} "
          f"{cost.kept_mib:>4.0f} MiB {cost.peak_mib:>4.0f} MiB")  # fmt: skip


if __name__ == "__main__":
    main()
