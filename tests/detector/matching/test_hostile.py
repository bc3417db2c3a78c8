"""Events that no source should send: nothing escapes, and the fast path finds what the oracle finds."""

from __future__ import annotations

import os
import time
from collections import OrderedDict, UserDict
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from detector.engine import Engine
from detector.matching.grouping import SourceFields
from detector.matching.matcher import Matcher
from detector.matching.scanner import ScannerName
from detector.matching.terms import KEYWORD
from detector.rules.condition import (
    And,
    CidrTest,
    CompareTest,
    Condition,
    FieldRefTest,
    FieldTest,
    KeywordTest,
    Not,
    NullTest,
    RegexTest,
    TextTest,
)
from detector.rules.model import DetectionRule, LogSource, RuleSet
from tests.detector.matching.conditions import LETTERS, conditions, oracle, rules_of
from tests.detector.matching.scanners import SCANNERS
from tests.detector.matching.test_against_oracle import EXAMPLES


class Text(str):
    """A text of another type."""

    __slots__ = ()


class Members(list[Any]):
    """A list of another type."""


class Long(int):
    """An integer that Python does not write."""

    def __repr__(self) -> str:
        return f"{'-' * (self < 0)}10**5_000"


class Number(IntEnum):
    """A number of another type."""

    ONE = 1


class Word(str, Enum):  # noqa: UP042  what old programs have
    """A text that prints itself as something else."""

    A = "a"


_odd: st.SearchStrategy[Any] = st.sampled_from(
    [
        Long(10**5_000), Long(-(10**5_000)), 2**63, float("nan"), float("inf"), float("-inf"), -0.0, 1e308, 1e16,
        b"ab", b"", "a\x00b", "a\nb", "\n", "\r\n", "\x01\x02", "a\u2028b", "\u0130", "\u1e9e",
        Text("ab"), Number.ONE, Word.A, Decimal(1), datetime(2026, 1, 1, tzinfo=UTC), object(), (), ("a", "b"), {"a"},
        frozenset(), None, True, "true", "1", 1, 1.0, "::ffff:10.1.2.3", "10.1.2.3%eth0", "2026-01-01T10:00:00+99:00",
    ]
)  # fmt: skip
_scalars = st.one_of(_odd, st.text(LETTERS, max_size=4))
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(Members),
        st.dictionaries(st.sampled_from(["a", "b", "a.b", "", "."]), inner, max_size=2),
        st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2).map(OrderedDict),
    ),
    max_leaves=4,
)
_names = st.sampled_from(["f", "g", "h", "n", "n.a", "", ".", "f ", "\ud800", "\x00keyword", "category"])
hostile_events = st.dictionaries(_names, _values, max_size=5)


def _fail(rule: DetectionRule, error: Exception) -> None:
    raise AssertionError(f"{rule.condition}: {error!r}")


@pytest.mark.parametrize("scanner", SCANNERS)
@given(
    made=st.lists(conditions, min_size=1, max_size=6),
    batch=st.lists(hostile_events, min_size=1, max_size=10),
    repeats=st.sampled_from([1, 6]),
)
@settings(max_examples=2 * EXAMPLES, deadline=None)
def test_odd_values(scanner: ScannerName, made: list[Condition], batch: list[dict[str, Any]], repeats: int) -> None:
    matcher = Matcher(rules_of(made), _fail, scanner)
    batch = batch * repeats
    expected = oracle(matcher, batch, LogSource())
    assert matcher.match(batch, LogSource()) == expected
    for _ in range(2):
        alone = [(row, number) for row, event in enumerate(batch) for _, number in matcher.match([event], LogSource())]
        assert alone == expected


def _engine() -> Engine:
    made: list[Condition] = [
        FieldTest("f", TextTest((None, "ab", None))),
        FieldTest("f", TextTest((None, "a", None, "b", None, "c"))),
        FieldTest("f", RegexTest("(a+)+$")),
        FieldTest("f", RegexTest("(?i)(x|a)*b{3}")),
        KeywordTest(TextTest(("needle",))),
        KeywordTest(RegexTest("ne+dle")),
        FieldTest("f", CompareTest("gt", 10.0)),
        FieldTest("f", CidrTest(ip_network("10.0.0.0/8"))),
        FieldTest("n.n.n", TextTest(("x",))),
        And((FieldTest("f", FieldRefTest("g")), Not(FieldTest("h", NullTest())))),
        Not(FieldTest("f", TextTest(("a",)))),
    ]
    return Engine(RuleSet({rule.meta.id: rule for rule in rules_of(made)}, {}, ""))


def _deep(kind: Callable[[object], object], depth: int) -> object:
    value: object = "x"
    for _ in range(depth):
        value = kind(value)
    return value


MIB = 16 if os.environ.get("ISTHMUS_LONG") else 2

HUGE: dict[str, dict[str, Any]] = {
    f"{MIB} MiB of a": {"f": "a" * (MIB << 20)},
    f"{MIB} MiB of a, in a list": {"f": ["a" * (MIB << 20)]},
    f"{MIB} MiB that hold it at the end": {"f": "a" * (MIB << 20) + "needle"},
    f"{MIB} MiB of newlines": {"f": "\n" * (MIB << 20)},
    "MIB MiB beyond ascii": {"f": "\u0130" * (MIB << 19)},
    "100,000 fields": {f"field{number}": "ab" for number in range(100_000)},
    "100,000 fields below one": {"n": {f"field{number}": "ab" for number in range(100_000)}},
    "a list of 100,000": {"f": ["ab"] * 100_000},
    "a list of 100,000 objects": {"n": [{"n": {"n": "x"}}] * 100_000},
    "objects 100,000 deep": {"n": _deep(lambda value: {"n": value}, 100_000)},
    "lists 100,000 deep": {"f": _deep(lambda value: [value], 100_000)},
    "lists and objects 100,000 deep": {"n": _deep(lambda value: [{"n": value}], 100_000)},
    f"a name of {MIB} MiB": {"f" * (MIB << 20): "ab"},
    f"a log source of {MIB} MiB": {"f": "ab", "category": "c" * (MIB << 20)},
    "a log source that is none": {"f": "ab", "category": ["c"], "product": {"p": 1}, "service": 10**5_000},
    "an integer of 1,000,000 digits": {"f": 10**1_000_000},
    "names that are no text": {1: "ab", None: "ab", ("f",): "ab"},  # type: ignore[dict-item]  # what a caller might do
}


@pytest.mark.parametrize("event", HUGE.values(), ids=HUGE)
@pytest.mark.parametrize("size", [1, 8])
def test_huge_and_deep_events(event: dict[str, Any], size: int) -> None:
    """Alone and in company, they take a bounded time, raise nothing and fail no rule."""
    engine = _engine()
    batch = [event, *({"f": "xaby"} for _ in range(size - 1))]
    began = time.process_time()
    for _ in range(2):
        found = engine.match_batch(batch, SourceFields())
        assert {(row, rule.meta.id) for row, rule in found if row} >= {(row, "r0") for row in range(1, size)}
        engine.match(event)
    assert time.process_time() - began < 30
    assert not engine.failures


def test_an_event_that_is_no_dict() -> None:
    """Any mapping will do."""
    assert [match.rule_id for match in _engine().match(UserDict({"f": "xaby"}))] == ["r0", "r10"]


class Unreadable(dict[str, Any]):
    """An event that breaks when it is read."""

    def values(self) -> Any:  # noqa: ANN401  what a caller might do
        """Break."""
        raise OSError("gone")


def test_an_event_that_breaks_spoils_no_other() -> None:
    """Nothing is found in it; the batch around it is matched, and it is said."""
    batch = [{"f": "xaby"}, Unreadable(f="xaby"), *({"f": "xaby"} for _ in range(8))]
    with capture_logs() as logs:
        found = _engine().match_batch(batch, LogSource())
    assert [row for row, rule in found if rule.meta.id == "r0"] == [0, *range(2, 10)]
    assert [log["event"] for log in logs] == ["fast_path_failed", "event_unreadable"]


@pytest.mark.parametrize("scanner", SCANNERS)
def test_a_field_that_bears_the_name_of_all_values(scanner: ScannerName) -> None:
    matcher = Matcher(rules_of([KeywordTest(RegexTest("^a.*b$")), FieldTest("g", TextTest(("x",)))]), _fail, scanner)
    event = {KEYWORD: {}, "f": "a\x00b", "g": "x"}
    assert matcher.match([event], LogSource()) == [(0, 0), (0, 1)]
    assert matcher.match([event], LogSource()) == [(0, 0), (0, 1)]
    assert matcher.match([event] * 6, LogSource()) == [(row, number) for row in range(6) for number in (0, 1)]
