"""Loading rules: every fault with its place and remedy; meanings that do not depend on wording."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.correlation.plan import CorrelationSettings, plan_correlations
from detector.engine import Engine
from detector.errors import RuleErrors, RuleFault
from detector.rules.bundled import bundled_rules
from detector.rules.loader import load_rules

RULE = "title: t\nname: r\nlogsource: {product: p}\ndetection:\n  s: {f: a}\n  condition: s\n"
COUNT = "correlation:\n  type: event_count\n  rules: [r]\n  timespan: 5m\n  condition: {gte: 3}\n"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (RULE.replace("condition", "conditon"), "'conditon' looks like it"),
        (RULE.replace("f: a", "f|contians: a"), "did you mean 'contains'"),
        (RULE.replace("detection", "detecton"), "did you mean 'detection'|no `detection`"),
        (RULE + "levle: high\n", "did you mean 'level'"),
        (RULE + "level: hgih\n", "did you mean 'high'"),
        (RULE.replace("condition: s", "condition: t"), "t"),
        (RULE.replace("f: a", "f|re: '(?=a)'"), "(?i)re"),
        (RULE + "title: again\n", "stands twice"),
        (RULE.replace("f: a", "f|expand: '%users%'"), "%users% is not resolved"),
        ("title: [\n", "not valid YAML"),
        ("- a\n- b\n", "not a mapping"),
        (f"{RULE}---\n{RULE}", "used twice"),
        (f"{RULE}---\ntitle: c\n{COUNT.replace('[r]', '[q]')}", "does not exist"),
        (f"{RULE}---\ntitle: c\n{COUNT.replace('event_count', 'event_cuont')}", "did you mean 'event_count'"),
        (f"{RULE}---\ntitle: c\n{COUNT.replace('timespan', 'timespann')}", "did you mean 'timespan'"),
        (f"{RULE}---\ntitle: c\n{COUNT.replace('gte', 'gtee')}", "did you mean 'gte'"),
        (f"{RULE}---\ntitle: c\n{COUNT.replace('5m', 'soon')}", "not a duration"),
        (f"{RULE}---\ntitle: c\nname: c\n{COUNT.replace('[r]', '[c]')}", "names itself"),
    ],
)
def test_a_fault_says_what_and_what_instead(text: str, what: str) -> None:
    with pytest.raises(RuleErrors, match=what):
        load_rules(text)


def test_every_fault_is_reported_with_its_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(f"{RULE}---\n{RULE.replace('name: r', 'name: q').replace('f: a', 'f|x: a')}")
    (tmp_path / "b.yml").write_text("title: b\nlogsource: {product: p}\n")
    faults: list[RuleFault] = []
    ruleset = load_rules(tmp_path, faults=faults)
    assert [(Path(fault.path).name, fault.line) for fault in faults] == [("a.yml", 12), ("b.yml", 1)]
    assert list(ruleset.rules) == ["r"]


def test_a_misspelt_key_is_reported_beside_what_stops_the_rule() -> None:
    faults: list[RuleFault] = []
    load_rules(RULE.replace("f: a", "f|contians: a") + "levle: high\n", faults=faults)
    assert [fault.what for fault in faults] == ["unknown modifier 'contians'", "unknown key 'levle'"]
    faults.clear()
    load_rules(RULE + "levle: high\n", faults=faults)
    assert [fault.what for fault in faults] == ["unknown key 'levle'"]


def test_bundled_rules_have_no_fault_and_no_detection_is_lost() -> None:
    ruleset = load_rules(bundled_rules())
    plan_correlations(ruleset, CorrelationSettings())
    metas = [rule.meta for rule in ruleset.rules.values()] + [each.meta for each in ruleset.correlations.values()]
    codes = {str(meta.custom["code"]) for meta in metas if "code" in meta.custom}
    assert codes >= {f"CV-{n}" for n in (301, 401, 402, 405, 406, 505, 801, 802, 1101, 1102, 1201, 1202, 702)}
    for meta in metas:
        if meta.generate:
            assert meta.custom["owner"]["team"]
            assert meta.custom["playbook"]
            assert meta.custom["actions"]["safe"]


def test_wording_does_not_change_the_semantic_hash() -> None:
    one = load_rules(RULE).rules["r"].meta.semantic_hash
    assert load_rules(RULE.replace("title: t", "title: other")).rules["r"].meta.semantic_hash == one
    assert load_rules(RULE.replace("f: a", "f: b")).rules["r"].meta.semantic_hash != one


def test_a_named_rule_is_silent_unless_it_says_otherwise() -> None:
    assert not load_rules(f"{RULE}---\ntitle: c\n{COUNT}").rules["r"].meta.generate
    assert load_rules(f"{RULE}---\ntitle: c\n{COUNT}  generate: true\n").rules["r"].meta.generate


def test_a_filter_narrows_the_rules_it_names() -> None:
    narrow = "title: no admins\nlogsource: {product: p}\nfilter:\n  rules: [r]\n  s: {u: admin}\n  condition: not s\n"
    text = f"{RULE}---\n{narrow}"
    engine = Engine(load_rules(text))
    assert engine.match({"f": "a", "u": "ada"})
    assert not engine.match({"f": "a", "u": "admin"})


def test_a_pipeline_maps_fields(tmp_path: Path) -> None:
    pipeline = tmp_path / "p.yml"
    pipeline.write_text(
        "name: p\npriority: 10\ntransformations:\n  - id: m\n    type: field_name_mapping\n    mapping: {f: g}\n"
    )
    assert Engine(load_rules(RULE, pipelines=[pipeline])).match({"g": "a"})


def test_alias_bombs_are_refused() -> None:
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 9))
    with pytest.raises(RuleErrors, match=r"values|YAML"):
        load_rules(f"l0: &l0 [a, a]\n{levels}\n{RULE}")
