"""Random conditions and events, made of few letters so that they often meet."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

from hypothesis import strategies as st

from detector.matching.matcher import Matcher
from detector.rules.condition import (
    And,
    BoolTest,
    CidrTest,
    CompareTest,
    Condition,
    ExistsTest,
    FieldRefTest,
    FieldTest,
    KeywordTest,
    Not,
    NullTest,
    NumberTest,
    Or,
    RegexTest,
    TextTest,
    ValueTest,
    field_paths,
)
from detector.rules.model import DetectionRule, LogSource, RuleMeta

LETTERS = "\x00abAB\\ 0.-\u03a3\u03c2\u03c3\u017fsS\u0130i\u212ak\u00df\n\r\x01\x02"
PATHS = ["f", "g", "h", "n.a", "n.a.b", "absent"]
SOURCES = [LogSource(), LogSource("c", "p"), LogSource("c", "q", "s")]

_literals = st.text(LETTERS, max_size=4)
_part: st.SearchStrategy[str | tuple[()] | None] = st.one_of(_literals.filter(bool), st.just(()), st.none())
_texts = st.builds(TextTest, st.lists(_part, max_size=4).map(tuple), st.booleans())
_regexes = st.sampled_from(
    ["a+b", "(?i)ab|ba", "^a.*b$", "[ab]{2}", "(?i)ks", "", "(a|b)s+", "(?i)\u03c3", r"\\a", "a{2,}b?", "(?s)a.b", "x|"]
).map(RegexTest)
_operators = st.sampled_from(["gt", "gte", "lt", "lte", "eq", "neq"])
_values: st.SearchStrategy[ValueTest] = st.one_of(
    _texts,
    _texts,
    _regexes,
    st.builds(NumberTest, st.sampled_from([0, 1, 1.5, -1, 10**20])),
    st.builds(BoolTest, st.booleans()),
    st.just(NullTest()),
    st.builds(ExistsTest, st.booleans()),
    st.sampled_from(["10.0.0.0/8", "::/0", "10.1.0.0/16"]).map(lambda text: CidrTest(ip_network(text))),
    st.builds(CompareTest, _operators, st.sampled_from([0.0, 1.0])),
    st.builds(CompareTest, _operators, st.just(10.0), st.sampled_from(["hour", "year"])),
    st.builds(FieldRefTest, st.sampled_from(PATHS), st.booleans(), st.booleans(), st.booleans()),
)
_leaves: st.SearchStrategy[Condition] = st.one_of(
    st.builds(FieldTest, st.sampled_from(PATHS), _values),
    st.builds(FieldTest, st.sampled_from(PATHS), _values),
    st.builds(KeywordTest, st.one_of(_texts, _regexes, st.builds(NumberTest, st.sampled_from([0, 1])))),
)


def _grown(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    parts = st.lists(inner, min_size=1, max_size=4).map(tuple)
    return st.one_of(st.builds(And, parts), st.builds(Or, parts), st.builds(Not, inner))


conditions = st.recursive(_leaves, _grown, max_leaves=12)

_scalars: st.SearchStrategy[Any] = st.one_of(
    _literals,
    _literals,
    st.none(),
    st.booleans(),
    st.sampled_from(
        [0, 1, 1.0, 1.5, -1, 10**20, 0.0, "10.1.2.3", "10.9.9.9", "::1", "2026-01-01T10:00:00Z", "1", "1.5"]
    ),
)
_values_of_events = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "a.b"]), inner, max_size=2)
    ),
    max_leaves=4,
)
events = st.dictionaries(
    st.sampled_from(["f", "g", "h", "n", "n.a", "category", "product"]), _values_of_events, max_size=5
)
flat_events = st.fixed_dictionaries({"f": _scalars, "g": _literals, "h": st.one_of(_literals, _scalars)})


def rules_of(made: Sequence[Condition]) -> list[DetectionRule]:
    """Return rules with these conditions, spread over log sources."""
    return [
        DetectionRule(
            meta=RuleMeta(id=f"r{number}", name=f"r{number}", title=f"rule {number}"),
            logsource=SOURCES[number % len(SOURCES)],
            condition=condition,
            field_paths=frozenset(field_paths(condition)),
        )
        for number, condition in enumerate(made)
    ]


def oracle(matcher: Matcher, given: Sequence[dict[str, Any]], source: LogSource) -> list[tuple[int, int]]:
    """Return what trying every rule on every event finds."""
    return [(row, number) for row, event in enumerate(given) for number in matcher.try_all(event, source)]
