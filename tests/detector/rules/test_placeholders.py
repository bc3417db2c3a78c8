"""Placeholders: listed values are literal, bounded, timed, and part of what a rule means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from detector.engine import Engine
from detector.errors import RuleErrors, RuleFault
from detector.rules.loader import load_rules
from detector.rules.placeholders import MAX_VALUES, ListedValue, Lists, context_lists, read_lists

DAY_NS = 86_400 * 10**9


def rule(**detection: Any) -> str:  # noqa: ANN401  values of YAML
    content = {"title": "t", "name": "r", "logsource": {"product": "p"}, "detection": detection}
    return yaml.safe_dump({**content, "detection": {"s": detection, "condition": "s"}})


def engine(lists: Lists, **detection: Any) -> Engine:  # noqa: ANN401
    return Engine(load_rules(rule(**detection), placeholders=lists))


def matches(lists: Lists, detection: dict[str, Any], event: dict[str, Any]) -> bool:
    return bool(engine(lists, **detection).match(event))


@pytest.mark.parametrize(
    ("detection", "event", "matched"),
    [
        ({"u|expand": "%admins%"}, {"u": "ADA"}, True),
        ({"u|expand": "%admins%"}, {"u": "bob"}, True),
        ({"u|expand": "%admins%"}, {"u": "eve"}, False),
        ({"u|expand": "%admins%"}, {}, False),
        ({"u|cased|expand": "%admins%"}, {"u": "ADA"}, False),
        ({"u|expand": "corp\\\\%admins%"}, {"u": "corp\\ada"}, True),
        ({"u|expand|contains": "%admins%"}, {"u": "x ada y"}, True),
        ({"u|expand|endswith": "\\\\%admins%"}, {"u": "corp\\bob"}, True),
        ({"u|expand": "%admins%@%domains%"}, {"u": "bob@b.example"}, True),
        ({"u|expand": "%admins%@%domains%"}, {"u": "bob@c.example"}, False),
        ({"u|re|expand": "^%domains%$"}, {"u": "a.example"}, True),
        ({"u|re|expand": "^%domains%$"}, {"u": "aXexample"}, False),
        ({"n|expand": "%codes%"}, {"n": 4624}, True),
        ({"n|expand": "%codes%"}, {"n": "4624"}, True),
        ({"u|expand": ["%admins%", "eve"]}, {"u": "eve"}, True),
        ({"u|expand": "*%admins%*"}, {"u": "x ada y"}, True),
        ({"u": "%admins%"}, {"u": "ada"}, False),
        ({"u": "%admins%"}, {"u": "%admins%"}, True),
    ],
)
def test_a_placeholder_stands_for_its_values(
    detection: dict[str, Any], event: dict[str, Any], *, matched: bool
) -> None:
    lists: Lists = {"admins": ["ada", "bob"], "domains": ["a.example", "b.example"], "codes": [4624]}
    assert matches(lists, detection, event) is matched


@pytest.mark.parametrize("value", ["a*b", "a?b", "a\\b", "a\\*b", "%x%", "(a"])
def test_a_listed_value_is_literal(value: str) -> None:
    for detection in ({"u|expand": "%l%"}, {"u|re|expand": "^%l%$"}):
        assert matches({"l": [value]}, detection, {"u": value})
        assert not matches({"l": [value]}, detection, {"u": value.replace("*", "xx").replace("?", "x") + "y"})
        assert not matches({"l": ["a*b", "a?b"]}, detection, {"u": "axb"})


def test_keywords_take_placeholders() -> None:
    text = "title: t\nlogsource: {product: p}\ndetection:\n  k:\n    '|expand': ['%bad%']\n  condition: k\n"
    loaded = Engine(load_rules(text, placeholders={"bad": ["mimikatz"]}))
    assert loaded.match({"any": "run Mimikatz now"})
    assert not loaded.match({"any": "run"})


def test_a_value_counts_while_it_is_valid_by_the_events_time() -> None:
    lists: Lists = {"l": [ListedValue("ada", DAY_NS, 2 * DAY_NS), "bob"]}
    loaded = engine(lists, **{"u|expand": "%l%"})
    times = {"1970-01-01T23:59:59Z": 0, "1970-01-02T00:00:00Z": 1, "1970-01-02T23:59:59Z": 1, "1970-01-03": 0}
    assert {time: len(loaded.match({"u": "ada", "@timestamp": time})) for time in times} == times
    assert loaded.match({"u": "bob", "@timestamp": "1970-01-01"})
    assert not loaded.match({"u": "ada"}), "without a time nothing says that it is valid"


def test_two_windows_meet_in_one_text() -> None:
    lists = {"a": [ListedValue("x", None, 2 * DAY_NS)], "b": [ListedValue("y", DAY_NS)]}
    loaded = engine(lists, **{"u|expand": "%a%-%b%"})
    assert [len(loaded.match({"u": "x-y", "@timestamp": f"1970-01-0{day}"})) for day in (1, 2, 3)] == [0, 1, 0]


@pytest.mark.parametrize(
    ("lists", "what"),
    [
        ({}, "%admins% is not resolved; add rows of list 'admins' to the context table"),
        ({"admin": ["a"]}, "did you mean 'admin'"),
        ({"admins": []}, "is not resolved"),
        ({"admins": [f"u{n}" for n in range(MAX_VALUES + 1)]}, "more than 10000 texts"),
    ],
)
def test_a_list_that_is_not_there_or_too_long_is_refused(lists: Lists, what: str) -> None:
    with pytest.raises(RuleErrors, match=what):
        engine(lists, **{"u|expand": "%admins%"})


def test_a_rule_cannot_multiply_lists_without_bound() -> None:
    lists = {"l": [f"u{n}" for n in range(200)]}
    with pytest.raises(RuleErrors, match="more than 10000 texts"):
        engine(lists, **{"u|expand": "%l%%l%%l%%l%%l%%l%%l%%l%"})
    with pytest.raises(RuleErrors, match="more than 50000 parts"):
        engine(lists, **{f"f{n}|expand": "%l%" for n in range(260)})
    with pytest.raises(RuleErrors, match="more than 50000 parts"):
        engine(lists, **{f"f{n}|re|expand": "%l%" for n in range(6)})


def test_the_semantic_hash_follows_the_values_and_not_their_order() -> None:
    def semantic(*values: str) -> str:
        return load_rules(rule(**{"u|expand": "%l%"}), placeholders={"l": values}).rules["r"].meta.semantic_hash

    assert semantic("a", "b") == semantic("b", "a", "a") != semantic("a", "b", "c")
    plain = [load_rules(rule(u="x"), placeholders={"l": [each]}).rules["r"].meta.semantic_hash for each in "ab"]
    assert plain[0] == plain[1], "a rule that takes no list does not change with one"


def test_lists_come_from_yaml_and_from_the_context_table(tmp_path: Path) -> None:
    faults: list[RuleFault] = []
    file = tmp_path / "lists.yml"
    file.write_text("admins: [ada, 7]\nempty: []\nwrong: {a: 1}\nodd: [true]\n")
    lists = read_lists(file, faults)
    assert lists == {"admins": (ListedValue("ada"), ListedValue("7"))}
    assert [fault.rule for fault in faults] == ["list 'empty'", "list 'wrong'", "list 'odd'"]
    (tmp_path / "context").mkdir()
    table = "list,value,valid_from\nadmins,ada,\nadmins,bob,2026-01-01T00:00:00Z\n"
    (tmp_path / "context" / "lists.csv").write_text(table)
    rows = context_lists(tmp_path / "context")
    assert rows == {"admins": (ListedValue("ada"), ListedValue("bob", 1_767_225_600 * 10**9))}
    assert context_lists(None) == {}


def test_a_percent_sign_that_is_escaped_is_no_placeholder() -> None:
    assert matches({"l": ["x"]}, {"u|expand": r"50\% of %l%"}, {"u": "50% of x"})
