"""Conditions of words: how they are read, and what is refused."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import RuleErrors
from detector.rules.expression import MAX_DEPTH, RuleExpression, parse_expression
from detector.rules.loader import load_rules
from detector.rules.model import CorrelationRule
from tests.detector.correlation.driving import rule

UUID = "929a690e-bef0-4204-a928-ef5e620d6fcc"
RULES = "---\n".join([rule("a", "a"), rule("b", "b"), rule("low-high", "c"), rule("door is open", "d")])
RULES += f"---\ntitle: u\nid: {UUID}\nlogsource: {{}}\ndetection: {{s: {{event.action: u}}, condition: s}}\n"


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("a", "a"),
        ("a and b or c", "((a & b) | c)"),
        ("a or b and c", "(a | (b & c))"),
        ("a AND NOT b", "(a & !b)"),
        ("not a and not (b or c)", "(!a & !(b | c))"),
        ("not not a", "!!a"),
        ("a-b and c.d", "(a-b & c.d)"),
        (f"{UUID} and a", f"({UUID} & a)"),
        ("failed login and door open", "(failed login & door open)"),
        ("failed  login\n and a", "(failed login & a)"),
        ("'a and b' or \"c (1)\"", "(a and b | c (1))"),
        ("android and nothing", "(android & nothing)"),
        ("(((a)))", "a"),
    ],
)
def test_a_condition_is_read_as_written(text: str, means: str) -> None:
    assert _written(parse_expression(text)) == means


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "its end where the name"),
        ("a and", "its end where the name"),
        ("and a", "'and' where the name"),
        ("a or or b", "'or' where the name"),
        ("(a", "its end where a parenthesis must close"),
        ("a)", "goes on with '\\)'"),
        ("a 'b'", "goes on with the name 'b'"),
        ("a and 'b", "quotation mark without an end"),
        ("not", "its end where the name"),
        ("(" * 30 + "a" + ")" * 30, f"more than {MAX_DEPTH} deep"),
        ("not " * 30 + "a", f"more than {MAX_DEPTH} deep"),
        (" and ".join(["a"] * 500), "more than 200 names"),
        ("a" * 20_000, "longer than"),
    ],
)
def test_what_cannot_be_read_says_what_is_wrong(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        parse_expression(text)


_LEAVES = st.sampled_from("abc").map(lambda name: RuleExpression("rule", name))
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda one: RuleExpression("not", parts=(one,))),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)).map(
            lambda pair: RuleExpression(pair[0], parts=tuple(pair[1]))
        ),
    ),
    max_leaves=8,
)


@given(tree=_TREES)
def test_a_written_condition_means_the_same_when_read_again(tree: RuleExpression) -> None:
    text = _written(tree).replace("&", "and").replace("|", "or").replace("!", " not ")
    again = parse_expression(text)
    for present in itertools.chain.from_iterable(itertools.combinations("abc", size) for size in range(4)):
        assert again.holds(present) == tree.holds(present)
    assert set(again.wanted()) | set(again.unwanted()) == set(again.rules())


def _load(body: str) -> CorrelationRule:
    text = f"{RULES}---\ntitle: t\nname: t\ncorrelation:\n  timespan: 10s\n  {body}\n"
    return load_rules(text).correlations["t"]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("type: temporal\n  condition: not a", "holds when nothing happens at all"),
        ("type: temporal\n  condition: a or not b", "holds when nothing happens at all"),
        ("type: temporal\n  rules: [a]\n  condition: a and not b", "`rules` and the rules of `condition` differ"),
        ("type: temporal\n  rules: [a, b]\n  condition: a", "`rules` and the rules of `condition` differ"),
        ("type: temporal\n  condition: a and not bb", "names rule 'bb', which does not exist; did you mean 'b'"),
        ("type: temporal\n  condition: a and not (b", "a parenthesis must close"),
        ("type: event_count\n  rules: [a]\n  condition: a and b", "has a number as its condition"),
        ("type: temporal_ordered\n  condition: a and (b or low-high)", "one correlation for each `or`"),
        ("type: temporal_ordered\n  condition: a and not (b and low-high)", "joins rules and `not` rules"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(body: str, what: str) -> None:
    with pytest.raises(RuleErrors, match=what):
        _load(body)


def test_all_of_the_rules_is_the_ordinary_condition() -> None:
    plain = _load("type: temporal\n  rules: [a, b]")
    words = _load("type: temporal\n  rules: [a, b]\n  condition: a and b")
    assert words.expression is None
    assert (words.condition, words.rules) == (plain.condition, plain.rules)
    assert words.meta.semantic_hash == plain.meta.semantic_hash


def test_rules_may_be_left_out_or_named_otherwise() -> None:
    bare = _load(f"type: temporal\n  condition: low-high and {UUID} and not door is open")
    full = _load(
        f"type: temporal\n  rules: [{UUID}, door is open, low-high]\n"
        f"  condition: low-high AND {UUID.upper()} AND NOT 'door is open'"
    )
    assert bare.rules == ("low-high", UUID, "door is open")
    assert bare.expression == full.expression


def _written(tree: RuleExpression) -> str:
    if tree.operator == "rule":
        return tree.rule
    if tree.operator == "not":
        return f"!{_written(tree.parts[0])}"
    joined = " & " if tree.operator == "and" else " | "
    return f"({joined.join(map(_written, tree.parts))})"
