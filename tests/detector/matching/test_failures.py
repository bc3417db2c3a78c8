"""A rule that breaks is caught around that rule, counted and reported once; the others go on."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from detector.engine import Engine
from detector.matching import planning
from detector.matching.scanner import ScannerName
from detector.rules.condition import And, CompareTest, Condition, FieldTest, Not, RegexTest, TextTest
from detector.rules.model import LogSource, RuleSet
from tests.detector.matching.conditions import rules_of
from tests.detector.matching.scanners import SCANNERS

GOOD = FieldTest("f", TextTest((None, "ab", None)))
RAISES = FieldTest("g", CompareTest("gt", "one"))  # type: ignore[arg-type]  # as a fault of ours would leave it
BROKEN: dict[str, Condition] = {
    "its test raises": And((GOOD, RAISES)),
    "the opposite of its test raises": And((GOOD, Not(RAISES))),
    "it is tried on every event": Not(RAISES),
    "it does not even compile": And((GOOD, FieldTest("g", RegexTest("(")))),
}


@pytest.mark.parametrize("scanner", SCANNERS)
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("size", [1, 3, 20])
def test_a_broken_rule_stops_no_other(
    scanner: ScannerName, broken: Condition, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone, in few, in columns, with lists, under the first plan and a later one."""
    monkeypatch.setattr(planning, "OWN_FROM", 1)
    monkeypatch.setattr(planning, "MAX_EVENTS", 16)
    rules = rules_of([GOOD, broken, GOOD, GOOD])  # r0 and r3 are of no log source, r1 of c/p
    engine = Engine(RuleSet({rule.meta.id: rule for rule in rules}, {}, ""), scanner)
    batch: list[dict[str, Any]] = [{"f": "xaby", "g": 1}, {"f": ["xaby"], "g": [1, 2]}, {"f": "xaby", "g": 2}] * 7
    with capture_logs() as logs:
        for _ in range(20):
            for start in range(0, len(batch), size):
                some = batch[start : start + size]
                found = [(row, rule.meta.id) for row, rule in engine.match_batch(some, LogSource("c", "p"))]
                assert found == [(row, number) for row in range(len(some)) for number in ("r0", "r3")]
    assert engine.failures.keys() == {"r1"}
    assert engine.failures["r1"] >= 20 * len(batch)
    assert [log["event"] for log in logs].count("rule_failed") == 1
    assert {log["event"] for log in logs} == {"rule_failed"}
