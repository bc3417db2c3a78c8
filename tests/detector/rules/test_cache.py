"""The compiled cache: what comes from it is what was compiled, whatever happened to its files."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given

from detector.errors import RuleFault
from detector.rules import cache as cache_module
from detector.rules import cachefolder
from detector.rules.bundled import bundled_rules
from detector.rules.cache import RuleCache, default_folder, open_cache
from detector.rules.compiling import CompiledFile
from detector.rules.condition import Condition
from detector.rules.loader import load_rules
from detector.rules.model import DetectionRule, LogSource, RuleMeta, RuleSet
from tests.detector.matching.conditions import conditions

RULE = """title: {name}
name: {name}
logsource: {{product: windows}}
detection:
  texts: {{a|contains: ['x*y', '?z'], a: [4624, 1.5, true, null, '']}}
  nets: {{b|cidr: [10.0.0.0/8, 'fe80::/10']}}
  more: {{c|re|i: '^a.b$', d|exists: true, e|gte: 3, f|hour: 2, g|fieldref|endswith: h, i|cased: Q}}
  keywords: [word, 7]
  condition: (texts or nets) and not more or keywords
owner: {{team: ot, since: 2026-01-02}}
level: high
suppress: 1h
"""
CORRELATION = """title: c
name: c
correlation:
  type: event_count
  rules: [r0]
  timespan: 5m
  condition: {gte: 3}
"""


def tree(folder: Path, rules: int = 4) -> Path:
    folder.mkdir()
    for number in range(rules):
        (folder / f"r{number}.yml").write_text(RULE.format(name=f"r{number}"))
    (folder / "c.yml").write_text(CORRELATION)
    return folder


def load(sources: Path, cache: Path) -> tuple[RuleSet, RuleCache]:
    used = RuleCache(cache)
    return load_rules(sources, cache=used), used


def exactly(ruleset: RuleSet) -> list[tuple[str, str, list[str]]]:
    """Return rules as text, as 1 equals 1.0 and true."""
    rules = ruleset.rules.values()
    return [(repr(rule.meta), repr(rule.condition), sorted(rule.field_paths)) for rule in rules]


def segments(cache: Path) -> list[Path]:
    return sorted(cache.glob("*.rules"))


def test_the_second_load_compiles_nothing_and_gives_the_same(tmp_path: Path) -> None:
    rules = tree(tmp_path / "rules")
    cold, first = load(rules, tmp_path / "cache")
    warm, second = load(rules, tmp_path / "cache")
    assert (first.hits, first.misses, second.hits, second.misses) == (0, 5, 5, 0)
    assert warm == cold == load_rules(rules)
    assert exactly(warm) == exactly(cold)


def test_bundled_rules_come_back_the_same(tmp_path: Path) -> None:
    cold = load_rules(bundled_rules(), cache=RuleCache(tmp_path))
    used = RuleCache(tmp_path)
    assert exactly(load_rules(bundled_rules(), cache=used)) == exactly(cold)
    assert used.misses == 0


@given(conditions)
def test_every_condition_comes_back_the_same(condition: Condition) -> None:
    meta = RuleMeta(id="i", name="n", title="t")
    rule = DetectionRule(meta=meta, logsource=LogSource(), condition=condition, field_paths=frozenset({"f"}))
    compiled = CompiledFile([rule], [])
    try:
        encoded = cache_module._encoder.encode(compiled)
    except OverflowError:
        return  # numbers beyond 64 bits are compiled each time
    assert repr(cache_module._decoder.decode(encoded)) == repr(compiled)


def test_one_changed_file_costs_one_compilation(tmp_path: Path) -> None:
    rules = tree(tmp_path / "rules")
    load(rules, tmp_path / "cache")
    (rules / "r2.yml").write_text(RULE.format(name="r2").replace("level: high", "level: low"))
    ruleset, used = load(rules, tmp_path / "cache")
    assert (used.hits, used.misses) == (4, 1)
    assert ruleset.rules["r2"].meta.level == "low"
    assert load(rules, tmp_path / "cache")[1].misses == 0


def test_a_file_that_moved_is_known_and_named_by_its_new_place(tmp_path: Path) -> None:
    rules = tree(tmp_path / "rules")
    load(rules, tmp_path / "cache")
    moved = rules.rename(tmp_path / "moved")
    ruleset, used = load(moved, tmp_path / "cache")
    assert used.misses == 0
    assert ruleset.rules["r1"].meta.path == str(moved / "r1.yml")


def test_faults_are_reported_each_time(tmp_path: Path) -> None:
    rules = tree(tmp_path / "rules")
    (rules / "bad.yml").write_text(RULE.format(name="bad").replace("contains", "contians"))
    (rules / "c2.yml").write_text(CORRELATION.replace("name: c", "name: d").replace("r0", "gone"))
    reports = list[list[str]]()
    for _ in range(2):
        faults: list[RuleFault] = []
        load_rules(rules, faults=faults, cache=RuleCache(tmp_path / "cache"))
        reports.append([str(fault) for fault in faults])
    assert reports[0] == reports[1]
    assert [":5:" in reports[0][0], ":5:" in reports[0][1]] == [True, True]


def test_other_pipelines_lists_or_program_are_another_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules, folder = tree(tmp_path / "rules"), tmp_path / "cache"
    load(rules, folder)
    pipeline = tmp_path / "p.yml"
    pipeline.write_text("name: p\ntransformations: [{id: m, type: field_name_mapping, mapping: {a: z}}]\n")
    mapped = RuleCache(folder)
    assert "z" in load_rules(rules, pipelines=[pipeline], cache=mapped).rules["r0"].field_paths
    listed = RuleCache(folder)
    load_rules(rules, placeholders={"users": ["u"]}, cache=listed)
    monkeypatch.setattr(cache_module, "compiler_version", lambda: "another")
    assert (mapped.misses, listed.misses, load(rules, folder)[1].misses) == (5, 5, 5)


def _signed(body: bytes) -> bytes:
    return cache_module._MAGIC + cache_module._digest(body) + body


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda content: content[:-1],
    "half": lambda content: content[: len(content) // 2],
    "one bit": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "pickle": lambda _: pickle.dumps({"a": 1}),
    "no map": lambda _: _signed(msgspec.msgpack.encode([1, 2])),
    "deep": lambda _: _signed(b"\x91" * 100_000),
    "huge length": lambda _: _signed(b"\xdf\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_segment_is_counted_ignored_and_written_anew(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    rules = tree(tmp_path / "rules")
    cold, _ = load(rules, tmp_path / "cache")
    (segment,) = segments(tmp_path / "cache")
    segment.write_bytes(damage(segment.read_bytes()))
    again, used = load(rules, tmp_path / "cache")
    assert (again, used.refused, used.misses) == (cold, 1, 5)
    assert load(rules, tmp_path / "cache")[1].hits == 5


@pytest.mark.parametrize(
    "value", [[], [["x"], [], []], {"rules": [{"meta": 1}]}, {"rules": [], "documents": [{"path": 1}]}]
)
def test_values_of_another_shape_are_compiled_again(tmp_path: Path, value: object) -> None:
    rules = tree(tmp_path / "rules")
    cold, _ = load(rules, tmp_path / "cache")
    (segment,) = segments(tmp_path / "cache")
    entries = cache_module._entries(segment.read_bytes())
    assert entries is not None
    segment.write_bytes(_signed(msgspec.msgpack.encode(dict.fromkeys(entries, value))))
    again, used = load(rules, tmp_path / "cache")
    assert (again, used.refused, used.misses) == (cold, 5, 5)


def test_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    load(tree(tmp_path / "rules"), tmp_path / "above" / "cache")
    assert (tmp_path / "above" / "cache").stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o777 for each in segments(tmp_path / "above" / "cache")} == {0o600}


@pytest.mark.parametrize("kind", ["writable by others", "of another user", "a link", "a file", "below a file"])
def test_a_folder_that_cannot_be_trusted_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = tmp_path / "cache"
    if kind == "writable by others":
        folder.mkdir()
        folder.chmod(0o777)
    elif kind == "of another user":
        monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    elif kind == "a link":
        (tmp_path / "other").mkdir()
        folder.symlink_to(tmp_path / "other")
    else:
        folder.write_text("")
        folder = folder / "below" if kind == "below a file" else folder
    ruleset, used = load(tree(tmp_path / "rules"), folder)
    assert ruleset.rules.keys() == {"r0", "r1", "r2", "r3"}
    assert used.misses == 5
    assert not list(tmp_path.rglob("*.rules"))


def test_a_folder_that_cannot_be_written_to_is_read_and_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tree(tmp_path / "rules")
    load(rules, tmp_path / "cache")
    (rules / "r0.yml").write_text(RULE.format(name="r0") + "# changed\n")

    really = os.open

    def refuse(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied")
        return really(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    ruleset, _ = load(rules, tmp_path / "cache")
    assert ruleset.rules.keys() == {"r0", "r1", "r2", "r3"}


@pytest.mark.parametrize("files", [2, 40])
def test_a_hundred_edits_leave_few_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int) -> None:
    monkeypatch.setattr(cachefolder, "MAX_FOLDER_SEGMENTS", 20)
    rules, folder = tree(tmp_path / "rules", 40), tmp_path / "cache"
    load(rules, folder)
    for edit in range(100):
        (rules / f"r{edit % files}.yml").write_text(RULE.format(name=f"r{edit % files}") + f"# {edit}\n")
        assert load(rules, folder)[1].misses == 1
        assert len(segments(folder)) <= 20
    assert load(rules, folder)[1].misses == 0


def test_the_least_recently_used_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules, folder = tree(tmp_path / "rules"), tmp_path / "cache"
    load(rules, folder)
    (kept,) = segments(folder)
    for number in range(8):
        (folder / f"old-{number}.rules").write_bytes(bytes(1_000))
        os.utime(folder / f"old-{number}.rules", (number, number))
    (folder / "dead.part").write_bytes(b"half")
    os.utime(folder / "dead.part", (0, 0))
    monkeypatch.setattr(cachefolder, "MAX_FOLDER_BYTES", kept.stat().st_size + 2_500)
    assert load(rules, folder)[1].misses == 0
    assert {each.name for each in folder.iterdir()} == {kept.name, "old-6.rules", "old-7.rules"}
    monkeypatch.setattr(cachefolder, "MAX_FOLDER_SEGMENTS", 1)
    load(rules, folder)
    assert segments(folder) == [kept]


def test_use_keeps_a_segment_young(tmp_path: Path) -> None:
    rules, folder = tree(tmp_path / "rules"), tmp_path / "cache"
    load(rules, folder)
    (segment,) = segments(folder)
    os.utime(segment, (0, 0))
    load(rules, folder)
    assert time.time() - segment.stat().st_mtime < 60


_LOAD = """
import sys
from pathlib import Path
from detector.rules.cache import RuleCache
from detector.rules.loader import load_rules
for _ in range(int(sys.argv[3])):
    print("bundle", load_rules(Path(sys.argv[1]), cache=RuleCache(Path(sys.argv[2]))).bundle_hash)
"""


def test_processes_that_share_a_folder_all_load_the_same(tmp_path: Path) -> None:
    """While four load, everything is deleted or cut short again and again."""
    rules, folder = tree(tmp_path / "rules", 20), tmp_path / "cache"
    expected = load_rules(rules).bundle_hash
    command = [sys.executable, "-c", _LOAD, str(rules), str(folder), "15"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]  # noqa: S603
    stop = threading.Event()

    def disturb() -> None:
        number = 0
        while not stop.wait(0.01):
            for segment in segments(folder) if folder.exists() else []:
                number += 1
                try:
                    segment.unlink() if number % 2 else os.truncate(segment, 100)
                except FileNotFoundError:
                    continue

    thread = threading.Thread(target=disturb)
    thread.start()
    outputs = [process.communicate(timeout=120)[0].splitlines() for process in processes]
    found = [[line.split()[1] for line in lines if line.startswith("bundle")] for lines in outputs]
    stop.set()
    thread.join()
    assert [process.returncode for process in processes] == [0] * 4
    assert found == [[expected] * 15] * 4
    assert load(rules, folder)[0].bundle_hash == expected


def test_the_users_folder_follows_the_xdg_specification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_folder() == tmp_path / "xdg" / "isthmus" / "rules"
    for unset in ("", "relative/paths/are/ignored"):
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert default_folder() == tmp_path / ".cache" / "isthmus" / "rules"
    assert open_cache(enabled=False) is None
    assert open_cache() is not None
    assert default_folder().is_dir()


def test_the_garbage_collector_is_left_as_it_was() -> None:
    before = gc.get_threshold()
    load_rules(RULE.format(name="r"))
    assert gc.get_threshold() == before
