"""What is kept of rules once they were compiled: bounded in bytes, and the same is found when it was forgotten."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from detector.matching import checker
from detector.matching.evaluator import compile_condition
from detector.matching.matcher import Matcher, _findable
from detector.matching.plan import Plan
from detector.matching.sample import excerpt
from detector.matching.terms import Terms
from detector.rules.condition import And, Condition, FieldTest, Not, Or, TextTest
from detector.rules.model import LogSource
from detector.rules.naming import size
from tests.detector.matching.agreement import fail
from tests.detector.matching.conditions import rules_of


def _any_of(field: str, count: int) -> Condition:
    return Or(tuple(FieldTest(field, TextTest((None, f"{field}{number}", None))) for number in range(count)))


def _big(number: int) -> Condition:
    return And((_any_of(f"f{number}", 40), Not(_any_of("g", 500))))


def test_what_the_oracle_compiled_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list sends each rule that reads it to the oracle; only as many stay compiled as fit."""
    rules = rules_of([_big(number) for number in range(60)])
    matcher = Matcher(rules, fail)
    monkeypatch.setattr(checker, "MAX_BYTES", 10 * size(_big(0)) * checker._PREDICATE)
    events = [{f"f{number}": [f"f{number}1"], "g": ["x"]} for number in range(60)]
    expected = [(number, number) for number in range(60)]
    for _ in range(2):
        assert matcher.match(events, LogSource("c", "p")) == [each for each in expected if each[1] % 3 != 2]
        assert len(matcher._checker._predicates) <= 10


def test_one_rule_larger_than_the_bound_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checker, "MAX_BYTES", 1)
    matcher = Matcher(rules_of([_big(0), _big(3)]), fail)
    for _ in range(3):
        assert matcher.try_all({"f0": "f01"}, LogSource()) == [0]
        assert len(matcher._checker._predicates) == 1


@pytest.fixture
def _traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("_traced")
def test_the_bytes_of_a_plan_are_no_less_than_what_its_checks_take() -> None:
    """However large the rules: the bound of all plans is one of bytes, not of rules."""
    terms = Terms()
    made = [_findable(number, rule, terms) for number, rule in enumerate(rules_of([_big(each) for each in range(60)]))]
    plan = Plan(made, "ahocorasick", terms)
    for _ in plan.steps([excerpt({"f1": "x"})]):
        pass
    before = tracemalloc.get_traced_memory()[0]
    for group in plan.groups:
        plan.check_of(group)
    assert tracemalloc.get_traced_memory()[0] - before <= plan.bytes
    assert plan.bytes < 60 * size(_big(0)) * 1_000


@pytest.mark.usefixtures("_traced")
def test_a_part_of_a_condition_takes_about_what_is_counted_for_it() -> None:
    """As the oracle compiles it: the bound is right within a factor of two."""
    before = tracemalloc.get_traced_memory()[0]
    kept = [compile_condition(_big(number)) for number in range(60)]
    taken = (tracemalloc.get_traced_memory()[0] - before) / (len(kept) * size(_big(0)))
    assert checker._PREDICATE / 2 < taken < checker._PREDICATE * 2
