"""Each bundled detection fires on what it is for, and stays quiet on what only looks like it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from detector.engine import Engine
from detector.evaluation import BatchEvaluator
from detector.matching.grouping import SourceFields
from detector.rules.bundled import bundled_rules
from detector.rules.loader import load_rules
from detector.rules.model import DetectionRule

CASES: dict[str, dict[str, list[Any]]] = yaml.safe_load(
    (Path(__file__).parents[1] / "data" / "detector" / "detections.yml").read_text()
)
ENGINE = Engine(load_rules(bundled_rules()))
START = datetime(2026, 10, 20, tzinfo=UTC)


def _events(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in steps:
        fields = {key: value for key, value in step.items() if key not in {"t", "repeat"}}
        for number in range(step.get("repeat", 1)):
            yield {**fields, "@timestamp": (START + timedelta(seconds=step["t"] + number)).isoformat()}


def _match(events: Sequence[Mapping[str, Any]]) -> list[tuple[int, DetectionRule]]:
    return ENGINE.match_batch(events, SourceFields())


def _fired(steps: list[dict[str, Any]]) -> list[str]:
    return [each.rule_name for each in BatchEvaluator(ENGINE.ruleset, _match).evaluate([list(_events(steps))])]


def _flat(kind: str) -> list[Any]:
    return [
        pytest.param(name, steps, id=f"{name}-{n}")
        for name, case in CASES.items()
        for n, steps in enumerate(case[kind])
    ]


@pytest.mark.parametrize(("name", "steps"), _flat("fire"))
def test_it_fires_once(name: str, steps: list[dict[str, Any]]) -> None:
    assert sorted(_fired(steps)) == sorted([name, *CASES[name].get("with", [])])


@pytest.mark.parametrize(("name", "steps"), _flat("near"))
def test_it_stays_quiet(name: str, steps: list[dict[str, Any]]) -> None:
    assert name not in _fired(steps)


def test_every_rule_that_alerts_has_both() -> None:
    metas = [rule.meta for rule in ENGINE.ruleset.rules.values()] + [
        c.meta for c in ENGINE.ruleset.correlations.values()
    ]
    assert {meta.name for meta in metas if meta.generate} == set(CASES)
    assert all(case["fire"] and case["near"] for case in CASES.values())
