"""What a detection means, as data: each case by the slow way and the fast ones, with both scanners, flat and nested."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from detector.matching.matcher import Matcher
from detector.matching.scanner import ScannerName
from detector.rules.condition import And, Condition, FieldRefTest, FieldTest, KeywordTest, Not, Or, field_paths
from detector.rules.loader import load_rules
from detector.rules.model import DetectionRule, LogSource
from tests.detector.matching.scanners import SCANNERS

TESTS = Path(__file__).parents[2]
FOLDER = TESTS / "data" / "detector" / "conformance"
PAGE = TESTS.parent / "docs" / "reference" / "sigma.md"
TOPICS = sorted(path.stem for path in FOLDER.glob("*.yml"))
COPIES = 6
"""Of each event in a batch: enough for columns, and for values that repeat."""


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One meaning.

    Attributes:
        name: What it says.
        rule: A detection, or a whole rule; as text where YAML itself is the question.
        match: Events that it matches.
        miss: Events that it does not.
        source: Log source of the events.
        fault: Words of the fault, in any order, of a rule that is refused.
    """

    name: str
    rule: dict[str, Any] | str
    match: list[dict[str, Any]] = []
    miss: list[dict[str, Any]] = []
    source: dict[str, str] = {}
    fault: list[str] = []

    @property
    def text(self) -> str:
        """The rule as a file has it."""
        rule = self.rule if isinstance(self.rule, str) else yaml.safe_dump(self.rule, allow_unicode=True)
        if re.search(r"^detection:", rule, re.MULTILINE):
            return rule
        indented = "".join(f"  {line}\n" for line in rule.splitlines())
        return f"title: {msgspec.json.encode(self.name).decode()}\nlogsource: {{product: p}}\ndetection:\n{indented}"


class Trial(msgspec.Struct, frozen=True):
    """An event before a rule."""

    case: str
    number: int
    event: dict[str, Any]
    source: LogSource
    matches: bool


@cache
def cases_of(topic: str) -> list[Case]:
    """Read a file of cases."""
    return msgspec.convert(yaml.safe_load((FOLDER / f"{topic}.yml").read_text(encoding="utf-8")), list[Case])


def _moved(condition: Condition) -> Condition:
    """Return a condition that asks the same of the fields below `n`."""
    match condition:
        case And(parts) | Or(parts):
            return type(condition)(tuple(_moved(part) for part in parts))
        case Not(part):
            return Not(_moved(part))
        case FieldTest(path, FieldRefTest() as test):
            return FieldTest(f"n.{path}", msgspec.structs.replace(test, field_path=f"n.{test.field_path}"))
        case FieldTest(path, test):
            return FieldTest(f"n.{path}", test)
        case KeywordTest():
            return condition


def _below(rule: DetectionRule) -> DetectionRule:
    condition = _moved(rule.condition)
    return msgspec.structs.replace(rule, condition=condition, field_paths=frozenset(field_paths(condition)))


@cache
def trials_of(topic: str) -> tuple[list[DetectionRule], list[Trial]]:
    """Return the rules of a topic and what they are tried on: as written, and below an object in two spellings."""
    rules, trials = list[DetectionRule](), list[Trial]()
    for case in cases_of(topic):
        if case.fault:
            continue
        (rule,) = load_rules(case.text).rules.values()
        number = len(rules)
        rules.extend((rule, _below(rule)))
        source = LogSource(**case.source)
        for matches, events in ((True, case.match), (False, case.miss)):
            for event in events:
                dotted = {f"n.{name}": value for name, value in event.items()}
                trials.append(Trial(case.name, number, event, source, matches))
                trials.extend(Trial(case.name, number + 1, each, source, matches) for each in ({"n": event}, dotted))
    return rules, trials


def _fail(rule: DetectionRule, error: Exception) -> None:
    raise AssertionError(f"{rule.meta.title}: {error!r}")


def _wrong(trials: list[Trial], found: Mapping[int, set[int]]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (trial.case, trial.event)
        for row, trial in enumerate(trials)
        if (trial.number in found.get(row, set())) is not trial.matches
    ]


@pytest.mark.parametrize("topic", TOPICS)
def test_the_slow_way_finds_what_is_expected(topic: str) -> None:
    rules, trials = trials_of(topic)
    matcher = Matcher(rules, _fail)
    found = {row: set(matcher.try_all(trial.event, trial.source)) for row, trial in enumerate(trials)}
    assert _wrong(trials, found) == []


@pytest.mark.parametrize("scanner", SCANNERS)
@pytest.mark.parametrize("topic", TOPICS)
def test_batches_find_what_is_expected(topic: str, scanner: ScannerName) -> None:
    rules, trials = trials_of(topic)
    matcher = Matcher(rules, _fail, scanner)
    events = [trial.event for trial in trials for _ in range(COPIES)]
    sources = [trial.source for trial in trials for _ in range(COPIES)]
    matches = matcher.match(events, sources)
    for copy in range(COPIES):
        found = dict[int, set[int]]()
        for row, number in matches:
            if row % COPIES == copy:
                found.setdefault(row // COPIES, set()).add(number)
        assert _wrong(trials, found) == []


@pytest.mark.parametrize("scanner", SCANNERS)
@pytest.mark.parametrize("topic", TOPICS)
def test_events_one_at_a_time_find_what_is_expected(topic: str, scanner: ScannerName) -> None:
    rules, trials = trials_of(topic)
    matcher = Matcher(rules, _fail, scanner)
    for _ in range(2):  # the second time shapes are known
        found = {
            row: {number for _, number in matcher.match([trial.event], trial.source)}
            for row, trial in enumerate(trials)
        }
        assert _wrong(trials, found) == []


REFUSED = [case for topic in TOPICS for case in cases_of(topic) if case.fault]


@pytest.mark.parametrize("case", REFUSED, ids=[case.name for case in REFUSED])
def test_what_cannot_be_understood_is_refused(case: Case) -> None:
    faults = list[Any]()
    ruleset = load_rules(case.text, faults=faults)
    assert not ruleset.rules
    assert len(faults) == 1
    assert faults[0].line >= 1
    assert [word for word in case.fault if word not in str(faults[0])] == [], str(faults[0])


def test_every_case_has_a_name_and_something_to_decide() -> None:
    cases = [(topic, case) for topic in TOPICS for case in cases_of(topic)]
    assert len({case.name for _, case in cases}) == len(cases)
    assert [case.name for _, case in cases if not (case.fault or case.match or case.miss)] == []
    assert len(cases) >= 650


def test_the_page_says_which_topic_proves_each_meaning() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("\n## Correlations\n")[0]
    linked = re.findall(r"\(\.\./\.\./tests/data/detector/conformance/(\w+)\.yml\)", text)
    assert sorted(linked) == TOPICS
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    proofs = {topic for row in rows for topic in row[-1].strip(" |").split(", ")} - {"cases"}
    assert proofs == set(TOPICS)
    assert all(len(row) == 4 for row in rows)
