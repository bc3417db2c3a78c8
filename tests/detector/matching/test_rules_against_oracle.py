"""Rules as their authors write them: whatever loads means the same to the fast path as to the slow one."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.matching.scanner import ScannerName
from detector.rules.loader import load_rules
from detector.rules.model import DetectionRule, LogSource
from tests.detector.matching.agreement import assert_agreement, assert_agreement_while_plans_change
from tests.detector.matching.rule_texts import Detection, detections, events_for, text_of
from tests.detector.matching.scanners import SCANNERS

EXAMPLES = 1_000 if os.environ.get("ISTHMUS_LONG") else 100
Drawn = tuple[list[Detection], list[dict[str, Any]]]


@st.composite
def _rules_and_events(draw: st.DrawFn) -> Drawn:
    made = draw(st.lists(detections(), min_size=1, max_size=4))
    return made, draw(events_for(made))


def _loaded(made: list[Detection]) -> list[DetectionRule]:
    """Load detections; any fault fails the test, for each of them has a meaning."""
    return list(load_rules([text_of(detection, number) for number, detection in enumerate(made)]).rules.values())


@pytest.mark.parametrize("scanner", SCANNERS)
@given(drawn=_rules_and_events())
@settings(max_examples=EXAMPLES, deadline=None)
def test_rules_mean_the_same_by_every_path(scanner: ScannerName, drawn: Drawn) -> None:
    made, batch = drawn
    assert_agreement(_loaded(made), batch, LogSource(), scanner)


@pytest.mark.parametrize("scanner", SCANNERS)
@given(drawn=_rules_and_events())
@settings(max_examples=EXAMPLES // 4, deadline=None)
def test_rules_mean_the_same_while_plans_change(scanner: ScannerName, drawn: Drawn) -> None:
    made, batch = drawn
    assert_agreement_while_plans_change(_loaded(made), batch * 5, LogSource(), scanner)
