"""What the metrics page counts."""

from __future__ import annotations

from collections import Counter

from detector.runtime.embedded.driver import Progress
from detector.runtime.embedded.metrics import EngineMetrics


def test_matches_that_do_not_count_are_counted_by_reason() -> None:
    metrics = EngineMetrics()
    metrics.count(Progress(left_out=Counter(unkeyed=2)))
    metrics.count(Progress(left_out=Counter(unkeyed=1, evicted=5)))
    lines = metrics.text().decode().splitlines()
    assert 'isthmus_correlation_left_out_total{reason="unkeyed"} 3.0' in lines
    assert 'isthmus_correlation_left_out_total{reason="evicted"} 5.0' in lines


def test_what_goes_wrong_in_matching_is_counted_by_kind() -> None:
    metrics = EngineMetrics()
    metrics.count(Progress(noticed=Counter(event_cut=2)))
    lines = metrics.text().decode().splitlines()
    assert 'isthmus_matching_noticed_total{kind="event_cut"} 2.0' in lines
    assert 'isthmus_matching_noticed_total{kind="rule_failed"} 0.0' in lines


def test_late_matches_are_counted_by_the_sources_that_the_settings_name() -> None:
    metrics = EngineMetrics(["plant/pacs"])
    metrics.count(Progress(late=Counter({"plant/pacs": 3, "syslog/10.0.0.1": 1, "syslog/10.0.0.2": 1})))
    lines = metrics.text().decode().splitlines()
    assert 'isthmus_correlation_late_total{source="plant/pacs"} 3.0' in lines
    assert 'isthmus_correlation_late_total{source="unnamed"} 2.0' in lines
    assert sum("isthmus_correlation_late_total{" in line for line in lines) == 2
