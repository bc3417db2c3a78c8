"""Every field that is written or asked for has a type, and one only."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from detector.alert import AlertDraft
from detector.alerting.document import AlertWriter, Earlier
from detector.candidate import Step
from detector.rules.model import AppliedFilter, RuleMeta, RuleSet
from normalizers.event import Value
from normalizers.registry import NORMALIZERS
from tests.deploy.mappings import TEMPLATES, components, leaves, template, types, unmapped
from tests.normalizers.test_records import CASES, normalized

ROOT = Path(__file__).parents[2]
_NAME = re.compile(r"[a-z_]+(?:\.[a-z0-9_]+)+")
_SAMPLES: dict[str, Value] = {
    "boolean": True,
    "byte": 1,
    "date": "2026-10-20T01:02:03.123456789Z",
    "date_nanos": "2026-10-20T01:02:03.123456789Z",
    "double": 0.5,
    "flattened": "text",
    "float": 0.5,
    "geo_point": "52.5,13.4",
    "integer": 1,
    "ip": "10.1.2.3",
    "keyword": "word",
    "long": 1,
    "match_only_text": "some words",
    "wildcard": "some words",
}


def _named_in_code() -> set[str]:
    """Return what looks like a field in the sources: a dotted name that begins as some field does."""
    roots = {path.split(".")[0] for name in TEMPLATES for path in types(name) if "." in path}
    paths = [path for package in ("normalizers", "detector") for path in (ROOT / package).rglob("*.py")]
    trees = [ast.parse(path.read_text()) for path in paths]
    texts = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {text for text in texts if isinstance(text, str) and _NAME.fullmatch(text) and text.split(".")[0] in roots}


def test_every_field_that_the_code_names_is_mapped() -> None:
    mapping = types("isthmus-events") | types("isthmus-alerts")
    named = _named_in_code() - set(NORMALIZERS)
    above = {path.rsplit(".", depth)[0] for path in mapping for depth in range(1, path.count(".") + 1)}
    assert "user.name" in named
    above |= {name for name in named if name.endswith("_") and any(path.startswith(name) for path in mapping)}
    assert unmapped(named - above, mapping) == []


def test_every_field_of_events_is_mapped() -> None:
    events = [event for case in CASES for event in normalized(case.dataset, case.record.encode())]
    others = {"ecs.event", "engine.event"}  # other shippers' events may hold anything
    found = {path for event in events for path in event.fields if event.dataset not in others}
    assert len(found) > 100
    assert unmapped(found, types("isthmus-events")) == []


def test_every_field_that_rules_name_is_mapped() -> None:
    mapping = types("isthmus-events")
    roots = {path.split(".")[0] for path in mapping}
    text = "\n".join(
        path.read_text() for kind in ("isthmus", "sigma") for path in (ROOT / "rules" / kind).rglob("*.yml")
    )
    found = {name for name in _NAME.findall(text) if name.split(".")[0] in roots}
    assert "convergence.asset.role" in found
    assert unmapped(found, mapping) == []


def test_an_alert_of_any_event_is_mapped_whole() -> None:
    """Whatever field an event may have, the alert about it holds none that cannot be searched."""
    fields: dict[str, Value] = {path: _SAMPLES[kind] for path, kind in types("isthmus-events").items()}
    step = Step(
        rule_name="r", event_id="e", time_ns=10**18, uncertainty_ns=10**6, source="s", summary="what", fields=fields
    )
    draft = AlertDraft(
        alert_id="202610-aa",
        rule_id="r",
        group=("a",),
        status="active",
        opened_ns=10**18,
        last_ns=10**18,
        ready_ns=10**18,
        count=1,
        steps=(step,),
        fields=fields,
        order="certain",
        coverage="full",
        late=True,
        ahead=True,
        reason="why",
        widened_ns=1,
    )
    writer = AlertWriter(RuleSet({}, {}, "bundle"))
    writer._metas["r"] = RuleMeta(
        id="r",
        name="r",
        title="T",
        tags=("attack.t1021.001", "gap.4"),
        references=("https://example.org",),
        custom={"playbook": "p", "actions": {"safe": "s", "unsafe": "u"}, "owner": {"team": "t", "phone": "1"}},
        filters=(AppliedFilter(id="f", title="F", owner="o", ticket="t", expires_ns=1),),
    )
    document = writer.to_document(draft, 1, "202610-aa", [Earlier("202610-bb", "c", "t", 1)])
    found = {path for path, _ in leaves(document)}
    assert {"convergence.expired_filters.ticket", "convergence.earlier.id", "threat.tactic.id"} < found
    assert len(found) > 200
    assert unmapped(found, types("isthmus-alerts")) == []


def test_no_field_has_two_types() -> None:
    kinds = defaultdict[str, set[str]](set)
    for name in TEMPLATES:
        for part in components(name):
            for path, kind in part.items():
                kinds[path].add(str(kind))
    assert {path: kind for path, kind in kinds.items() if len(kind) > 1} == {}
    assert [path for path in kinds if any(other.startswith(f"{path}.") for other in kinds)] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_stays_below_the_limit_of_fields(name: str) -> None:
    """The default limit is 1,000, objects included."""
    paths = types(name)
    objects = {path.rsplit(".", depth)[0] for path in paths for depth in range(1, path.count(".") + 1)}
    assert len(paths) + len(objects) < 900


@pytest.mark.parametrize("name", ["isthmus-alerts", "isthmus-events"])
def test_no_value_of_a_sender_can_cost_a_document(name: str) -> None:
    """Of another type: ignored. Longer than Lucene takes: not indexed. Of an unknown name: not mapped."""
    body: dict[str, Any] = template(name)["template"]
    assert body["settings"]["index"]["mapping"] == {"ignore_malformed": "true"}
    assert body["mappings"]["dynamic"] is False
    kinds = [kind for part in components(name) for kind in part.values()]
    assert [
        kind for kind in kinds if kind["type"] in {"keyword", "flattened", "wildcard"} and "ignore_above" not in kind
    ] == []


def test_indices_do_not_match_the_built_in_patterns_of_others() -> None:
    assert template("isthmus-alerts")["index_patterns"] == ["isthmus-alerts-*"]
    assert all(template(name)["priority"] > 200 for name in TEMPLATES)
