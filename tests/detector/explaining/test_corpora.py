"""What the corpora of detections and correlations say happens, the explanations say too."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.engine import Engine
from detector.explaining.rule import RuleExplainer
from detector.rules.cache import RuleCache
from detector.rules.loader import load_rules
from tests.detector.correlation.corpus import cases
from tests.detector.rules.test_conformance import TOPICS, trials_of

PLAIN = {key: case for key, case in cases().items() if case.is_plain}


@pytest.mark.parametrize("topic", TOPICS)
def test_a_detection_is_explained_as_it_is_decided(topic: str) -> None:
    rules, trials = trials_of(topic)
    explainers = [RuleExplainer(rule) for rule in rules]
    for trial in trials:
        told = explainers[trial.number].explain(trial.event, trial.source)
        assert (told.matched, not told.blockers) == (trial.matches, trial.matches), (trial.case, trial.event)


@pytest.mark.parametrize("key", PLAIN)
def test_a_correlation_is_explained_as_it_is_decided(key: str) -> None:
    case = PLAIN[key]
    engine = Engine(load_rules(case.text()))
    events = [{**arrival.fields, "t": arrival.time_s} for arrival in case.arrivals()]
    fired = {alert.document["rule"]["uuid"] for alert in engine.evaluate(events, time_field="t")}
    for rule_id, correlation in engine.ruleset.correlations.items():
        told = engine.explain_correlation(rule_id, events, time_field="t")
        if correlation.meta.generate:
            assert told.fired == (rule_id in fired)
        assert told.fired != bool(told.blockers)


def test_names_come_out_of_the_cache_of_compiled_rules(tmp_path: Path) -> None:
    file = tmp_path / "r.yml"
    file.write_text("title: t\nname: r\nlogsource: {}\ndetection: {mine: {f: 1}, condition: not mine}\n")
    caches = [RuleCache(tmp_path / "cache") for _ in range(2)]
    first, second = [load_rules(file, cache=cache).rules["r"] for cache in caches]
    assert caches[1].hits == 1
    assert first.names == second.names == ((1, "mine"),)
