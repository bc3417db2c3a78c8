"""Fields of correlations and of `suppress` follow the pipelines as those of the rules they stand on do."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from detector.engine import Engine
from detector.errors import RuleErrors
from detector.rules.loader import load_rules
from detector.rules.model import CorrelationRule

RULES = """
title: a
name: a
logsource: {product: p, category: one}
detection: {s: {f: 1}, condition: s}
---
title: b
name: b
id: 6f3e2987-db24-4c78-a860-b4f4095a7095
logsource: {product: p, category: two}
detection: {s: {f: 2}, condition: s}
---
"""
PIPELINE = """
name: p
priority: 1
transformations:
- {id: all, type: field_name_mapping, mapping: {f: event.f, host: host.name, n: event.n, many: [x.a, x.b]}}
- id: one
  type: field_name_mapping
  mapping: {user: user.name}
  rule_conditions: [{type: logsource, category: one}]
- id: two
  type: field_name_mapping
  mapping: {user: user.target.name}
  rule_conditions: [{type: logsource, category: two}]
"""
B = "6f3e2987-db24-4c78-a860-b4f4095a7095"


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    path = tmp_path / "p.yml"
    path.write_text(PIPELINE)
    return path


def correlation(pipeline: Path, text: str, **more: object) -> CorrelationRule:
    document = yaml.safe_dump({"title": "c", "name": "c", **more, "correlation": yaml.safe_load(text)})
    return load_rules(RULES + document, pipelines=[pipeline]).correlations["c"]


def test_group_keys_and_counted_fields_are_mapped(pipeline: Path) -> None:
    text = "{type: value_count, rules: [a, b], group-by: [host], timespan: 5m, condition: {field: n, gte: 2}}"
    found = correlation(pipeline, text)
    assert (found.group_by, found.field) == (("host.name",), ("event.n",))
    ours = correlation(pipeline, text, taxonomy="isthmus")
    assert (ours.group_by, ours.field) == (("host",), ("n",))


def test_a_key_that_differs_between_the_rules_becomes_an_alias(pipeline: Path) -> None:
    found = correlation(pipeline, "{type: temporal, rules: [a, b], group-by: [user, host], timespan: 5m}")
    assert found.group_by == ("user", "host.name")
    assert found.aliases == {"user": {"a": "user.name", B: "user.target.name"}}


def test_the_authors_aliases_are_mapped_for_each_rule(pipeline: Path) -> None:
    text = f"{{type: temporal, rules: [a, b], group-by: [who], aliases: {{who: {{a: user, {B}: user}}}}, timespan: 5m}}"
    found = correlation(pipeline, text)
    assert found.group_by == ("who",)
    assert found.aliases == {"who": {"a": "user.name", B: "user.target.name"}}


def test_an_interval_pairs_by_a_mapped_key(pipeline: Path) -> None:
    found = correlation(pipeline, "{type: during, trigger: a, open: b, key: n, distinct: host, max_age: 1h}")
    assert found.during is not None
    assert (found.during.key, found.during.distinct) == ("event.n", "host.name")


def test_names_that_inner_correlations_gave_stay(pipeline: Path) -> None:
    keys = "group-by: [user, host], timespan: 5m"
    inner = f"title: i\nname: i\ncorrelation: {{type: temporal, rules: [a, b], {keys}}}\n---\n"
    outer = f"title: o\nname: o\ncorrelation: {{type: event_count, rules: [i], condition: {{gte: 2}}, {keys}}}\n"
    ruleset = load_rules(RULES + inner + outer, pipelines=[pipeline])
    assert ruleset.correlations["o"].group_by == ("user", "host.name")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{type: value_count, rules: [a, b], timespan: 5m, condition: {field: user, gte: 2}}",
         "field 'user' is mapped to user.name and user.target.name; write the engine's own fields"),
        ("{type: event_count, rules: [a], group-by: [many], timespan: 5m, condition: {gte: 2}}",
         "field 'many' is mapped to x.a and x.b"),
    ],
)  # fmt: skip
def test_a_field_must_stay_one(pipeline: Path, text: str, what: str) -> None:
    with pytest.raises(RuleErrors, match=what):
        correlation(pipeline, text)


def test_repeats_are_folded_by_mapped_fields(pipeline: Path) -> None:
    text = RULES.split("---", maxsplit=1)[0] + "suppress: {timespan: 1h, group-by: [user, host]}\n"
    rule = load_rules(text, pipelines=[pipeline]).rules["a"]
    assert rule.suppress is not None
    assert rule.suppress.group_by == ("user.name", "host.name")


def test_a_windows_correlation_counts_normalized_events() -> None:
    text = """
title: failed logon
name: failed
logsource: {product: windows, service: security}
detection: {s: {EventID: 4625}, condition: s}
---
title: many failed logons
name: many
correlation:
  type: event_count
  rules: [failed]
  group-by: [TargetUserName, IpAddress]
  timespan: 5m
  condition: {gte: 2}
"""
    engine = Engine(load_rules(text.lstrip(), pipelines=["windows"]))
    event = {"event.code": "4625", "winlog.event_data.TargetUserName": "ada", "winlog.event_data.IpAddress": "10.0.0.1"}
    events = [{**event, "@timestamp": f"2026-01-01T00:00:0{second}Z"} for second in (0, 1)]
    assert len(engine.evaluate(events)) == 1
    assert engine.evaluate([events[0], {**events[1], "winlog.event_data.TargetUserName": "bob"}]) == []
