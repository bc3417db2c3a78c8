"""The engine as a library, as the documentation shows it."""

from __future__ import annotations

from typing import Any

from detector.engine import Engine
from detector.rules.loader import load_rules

RULES = """
title: A
name: a
level: high
logsource: {product: windows}
detection: {s: {EventID: 1}, condition: s}
---
title: Many
name: many
level: critical
correlation: {type: event_count, rules: [a], group-by: [user.name], timespan: 10s, condition: {gte: 2}, generate: true}
"""


def _event(second: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  fields of any type
    return {"@timestamp": f"2026-10-20T00:00:{second:02d}Z", "EventID": 1, "user": {"name": "Ada"}, **fields}


def test_match_names_the_rules() -> None:
    engine = Engine(load_rules(RULES.lstrip()))
    assert [(match.rule_id, match.event_id) for match in engine.match({"EventID": "1"}, event_id="x")] == [("a", "x")]
    assert engine.match({"EventID": 2}) == []


def test_evaluate_gives_alerts_in_order_with_the_positions_of_their_events() -> None:
    engine = Engine(load_rules(RULES.lstrip()))
    alerts = engine.evaluate([_event(9), _event(1), _event(40), {"EventID": 1}])
    found = [(alert.document["rule"]["name"], alert.document["convergence"]["evidence_ids"]) for alert in alerts]
    assert found == [("A", ["3"]), ("A", ["1"]), ("A", ["0"]), ("Many", ["1", "0"]), ("A", ["2"])]
    assert len({alert.id for alert in alerts}) == 5


def test_evaluate_twice_gives_the_same_ids() -> None:
    events = [_event(9), _event(1)]
    engine = Engine(load_rules(RULES.lstrip()))
    assert [alert.id for alert in engine.evaluate(events)] == [alert.id for alert in engine.evaluate(events)]
