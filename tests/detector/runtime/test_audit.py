"""What was done to the engine is kept, and can be shown."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner

from connectors.kafka.settings import KafkaConnection, KafkaSasl
from detector.__main__ import main
from detector.kafkasettings import KafkaSettings
from detector.runtime.audit import ACTIONS, MAX_LIST, MAX_TEXT, AuditRecord, Fact, audit_value, settings_hash
from detector.runtime.clock import SystemClock
from detector.runtime.embedded import store
from detector.runtime.embedded.engine import EmbeddedEngine
from detector.runtime.embedded.store import EngineStore
from detector.settings import Settings, load_settings
from detector.task import DeadLetter
from tests.detector.runtime.changing_rules import BASE, FORCED, settings_of


def _shown(config: Path) -> list[dict[str, Any]]:
    """Return what `isthmus audit` shows, oldest first."""
    result = CliRunner().invoke(main, ["audit", "-c", str(config), "--json"])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()][::-1]


async def _live(folder: Path, config: Path) -> tuple[str, str]:
    """Run an engine through a change of rules and one that is refused; return the bundles before and after."""
    (folder / "context").mkdir()
    (folder / "context" / "lists.csv").write_text("list,value\ndoors,Gate\n")
    engine = EmbeddedEngine(load_settings(config), SystemClock())
    before = engine.reloading.active.bundle_hash
    await engine.start()
    for rules in (FORCED, "title: broken\n"):
        (folder / "rules.yml").write_text(rules)
        await engine.reloading.reload()
    letter = DeadLetter(
        id="1", stage="normalize", source="s", dataset="zeek.conn", received_ns=1, error="no ts", value=b"{}"
    )
    engine.parts.store.add_dead_letters([letter])
    await engine.stop()
    return before, engine.reloading.active.bundle_hash


def test_a_life_of_the_embedded_engine_is_kept(tmp_path: Path) -> None:
    """Tables published, started, rules changed, rules refused, stopped, a dead letter put back: with their facts."""
    more = "context: {folder: context}\nhttp: {enabled: false}\nwatch_rules: 0s\ndurable: false\n"
    config = settings_of(tmp_path, BASE, more)
    before, after = asyncio.run(_live(tmp_path, config))
    assert CliRunner().invoke(main, ["deadletter", "retry", "-c", str(config), "1"]).exit_code == 0

    kept = _shown(config)
    facts = {each["event"]["action"]: each["convergence"]["audit"] for each in kept}
    assert list(facts) == [
        "context-published",
        "engine-started",
        "rules-activated",
        "rules-refused",
        "engine-stopped",
        "deadletter-retried",
    ]
    assert facts["context-published"]["tables"] == ["lists"]
    assert facts["engine-started"] == {"bundle": before, "rules": 3, "settings": settings_hash(load_settings(config))}
    assert facts["rules-activated"] == {"bundle": after, "before": before, "rules": 1}
    assert (facts["rules-refused"]["bundle"], facts["rules-refused"]["faults"]) == (after, 1)
    assert "rules.yml:1: broken" in facts["rules-refused"]["report"][0]
    assert (facts["deadletter-retried"]["number"], facts["deadletter-retried"]["dataset"]) == (1, "zeek.conn")
    assert all(set(each) <= set(ACTIONS[action][1]) for action, each in facts.items())
    assert len({each["event"]["id"] for each in kept}) == 6
    line = CliRunner().invoke(main, ["audit", "-c", str(config), "--limit", "1"]).stdout
    assert "deadletter-retried" in line
    assert "number=1 dataset=zeek.conn" in line


def test_a_record_is_bounded() -> None:
    facts: dict[str, Fact] = {"text": "x" * 5_000, "texts": ["y" * 5_000] * 500, "number": 7}
    document = msgspec.json.decode(audit_value(AuditRecord("rules-refused", 0, "worker", facts)))
    assert document["convergence"]["audit"] == {
        "text": "x" * MAX_TEXT,
        "texts": ["y" * MAX_TEXT] * MAX_LIST,
        "number": 7,
    }


def test_of_too_many_records_the_oldest_go(tmp_path: Path, monkeypatch: Any) -> None:  # noqa: ANN401
    monkeypatch.setattr(store, "MAX_AUDIT", 3)
    kept = EngineStore(tmp_path / "engine.db", durable=False)
    for number in range(5):
        kept.add_audit(b"%d" % number)
    assert kept.audit(10) == [b"4", b"3", b"2"]
    kept.close()


def test_the_hash_of_settings_tells_them_apart() -> None:
    """Also by a password's file, of which the path counts and nothing else."""
    connection = KafkaConnection(["b:9092"], sasl=KafkaSasl(user="a", password_file=Path("/p")))
    some = Settings(kafka=KafkaSettings(connection))
    assert settings_hash(some) == settings_hash(msgspec.structs.replace(some))
    assert len({settings_hash(each) for each in (some, Settings(), Settings(keep_events=True))}) == 3


def test_rubbish_in_the_log_is_shown_as_such(tmp_path: Path) -> None:
    """Others may write to a topic."""
    config = settings_of(tmp_path, BASE)
    (tmp_path / "data").mkdir()
    kept = EngineStore(tmp_path / "data" / "engine.db", durable=False)
    for value in (b"\x1b]0;x\x07", b"{}", b'{"convergence":{"audit":1}}'):
        kept.add_audit(value)
    kept.close()
    lines = CliRunner().invoke(main, ["audit", "-c", str(config)]).stdout.splitlines()
    assert [line.startswith("not of ours: ") for line in lines] == [True] * 3
    assert "\x1b" not in "".join(lines)
