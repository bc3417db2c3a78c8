"""The fast path held against trying every rule on every event."""

from __future__ import annotations

from typing import Any

import pytest

from detector.matching import planning
from detector.matching.matcher import Matcher
from detector.matching.scanner import ScannerName
from detector.rules.model import DetectionRule, LogSource
from tests.detector.matching.conditions import oracle


def fail(rule: DetectionRule, error: Exception) -> None:
    """Take a rule whose evaluation raised: none may."""
    raise AssertionError(f"{rule.condition}: {error!r}")


def assert_agreement(
    rules: list[DetectionRule], batch: list[dict[str, Any]], source: LogSource, scanner: ScannerName
) -> None:
    """Assert that batches, and events one at a time, find what the oracle finds."""
    matcher = Matcher(rules, fail, scanner)
    expected = oracle(matcher, batch, source)
    assert matcher.match(batch, source) == expected
    assert matcher.match(batch, [source] * len(batch)) == expected, "under a plan of its own"
    assert _alone(matcher, batch, source) == expected
    assert _alone(matcher, batch, source) == expected, "once shapes are known"


def assert_agreement_while_plans_change(
    rules: list[DetectionRule], batch: list[dict[str, Any]], source: LogSource, scanner: ScannerName
) -> None:
    """Assert the same before, while and after plans are made of a few events."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "MAX_EVENTS", 4)
        patch.setattr(planning, "OWN_FROM", 4)
        matcher = Matcher(rules, fail, scanner)
        expected = oracle(matcher, batch, source)
        for _ in range(12):
            assert matcher.match(batch, source) == expected
            assert _alone(matcher, batch, source) == expected
        assert matcher.plans > 1


def _alone(matcher: Matcher, batch: list[dict[str, Any]], source: LogSource) -> list[tuple[int, int]]:
    return [(row, number) for row, event in enumerate(batch) for _, number in matcher.match([event], source)]
