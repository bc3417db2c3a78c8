"""Cloud and web logs as Elastic's integrations write them: SigmaHQ's rules match them through the bundled pipelines."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import yaml

from connectors.record import RawRecord
from detector.engine import Engine
from detector.rules.bundled import bundled_rules
from detector.rules.loader import load_rules
from detector.rules.logsources import LogSourceMap
from detector.rules.model import LogSource
from detector.rules.pipelines import bundled_pipelines
from normalizers.event import EcsEvent
from normalizers.registry import normalizer_for
from normalizers.source import SourceProfile
from tests.rules.windows_events import FAR_NS
from tests.shared import unpacked

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "data" / "rules" / "integrations.yml").read_text()
)


@cache
def _engines(root: Path) -> tuple[Engine, Engine]:
    wanted = {case["rule"] for case in CASES}
    folder = root / "sigmahq" / "rules"
    texts = [path.read_text() for path in sorted(folder.rglob("*.yml"))]
    rules = [text for text in texts if any(f"id: {rule}" in text for rule in wanted)]
    assert len(rules) == len(wanted)
    return Engine(load_rules(rules)), Engine(load_rules(rules, pipelines=list(bundled_pipelines())))


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> tuple[Engine, Engine]:
    return _engines(unpacked("sigmahq_rules", tmp_path_factory.mktemp("sigmahq")))


def _merged(event: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(event)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if both else value
    return merged


def _made(event: dict[str, Any], data_stream: str) -> EcsEvent:
    shipped = {"@timestamp": "2026-10-20T03:10:00Z", "data_stream": {"dataset": data_stream}, **event}
    record = RawRecord("id", "cloud", "ecs.event", FAR_NS, msgspec.json.encode(shipped))
    (made,) = normalizer_for("ecs.event")(record, SourceProfile(id="cloud"))
    return made


def _found(engine: Engine, event: dict[str, Any], logsource: LogSource | None) -> set[str]:
    return {match.rule_id for match in engine.match(event, logsource)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['from']} {case['rule'][:8]}")
def test_a_rule_matches_the_vendors_event_and_the_integrations(
    case: dict[str, Any], engines: tuple[Engine, Engine]
) -> None:
    plain, mapped = engines
    logsource = mapped.ruleset.rules[case["rule"]].logsource
    made = _made(case["ecs"], case["from"])
    found = LogSourceMap.bundled().of(made.dataset, made.fields)
    assert _found(plain, case["vendor"], logsource) == _found(mapped, made.fields, found) == {case["rule"]}
    missed = _made(_merged(case["ecs"], case["miss"]["ecs"]), case["from"])
    assert _found(plain, _merged(case["vendor"], case["miss"]["vendor"]), logsource) == set()
    assert _found(mapped, missed.fields, found) == set()


def test_events_of_integrations_have_their_log_source() -> None:
    table = LogSourceMap.bundled()
    for case in CASES:
        found = table.of("ecs.event", {"data_stream.dataset": case["from"]})
        assert found not in (None, LogSource()), case["from"]
    assert table.of("ecs.event", {}) == LogSource(), "of another shipper's events any rule may be meant"
    assert LogSource() in table.possible("ecs.event")
    rows = cast("list[dict[str, Any]]", yaml.safe_load((bundled_rules() / "logsources.yml").read_text()))
    known = {value for row in rows for value in row.get("when", {}).get("data_stream.dataset", [])}
    assert {case["from"] for case in CASES} <= known


def test_objects_in_lists_are_fields_too() -> None:
    """As rules mean them: a path gives what all of the objects have."""
    made = _made(
        {"okta": {"target": [{"type": "User", "n": [1]}, {"type": "App", "n": [2], "m": {"k": "v"}}, "x"]}}, "x"
    )
    assert made.fields["okta.target.type"] == ["User", "App"]
    assert made.fields["okta.target.n"] == [1, 2]
    assert made.fields["okta.target.m.k"] == ["v"]
    assert made.fields["okta.target"] == ['{"type":"User","n":[1]}', '{"type":"App","n":[2],"m":{"k":"v"}}', "x"]
