"""Rule text is hostile: whatever it is, reading it ends soon, with a fault that has a line."""

from __future__ import annotations

import os
import re
import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sigma.modifiers import modifier_mapping

from detector.errors import RuleFault
from detector.rules.loader import load_rules

EXAMPLES = 2_000 if os.environ.get("ISTHMUS_LONG") else 200

RULE = "title: t\nlogsource: {product: p}\ndetection:\n  s: {f: a}\n  condition: s\n"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a:\n " + "[" * 210 + "]" * 210 + "\n", "more than 200 levels"),
        ("a:\n " + "[" * 100_000 + "]" * 100_000 + "\n", "more than 200 levels"),
        ("a: " + "{a: " * 100_000 + "\n", "more than 200 levels"),
        ("a:\n " + "- " * 100_000 + "a\n", "more than 200 levels"),
        ("a:\n " + "-   " * 100_000 + "a\n", "more than 200 levels"),
        ("a:\n " + "? " * 100_000 + "a\n", "more than 200 levels"),
        ("a:\n" + "".join(f"{' ' * depth}b:\n" for depth in range(1, 400)), "more than 200 levels"),
        ("a: &a [*a]\n", "not valid YAML"),
        ("a: !!binary x\nb: [\n", "not valid YAML"),
        (RULE.replace("condition: s", f"condition: {'(' * 40}s{')' * 40}"), "nested deeper than 30"),
        (RULE.replace("condition: s", f"condition: {'not ' * 400}s"), "nested deeper than 30"),
        (RULE.replace("condition: s", f"condition: {' or '.join(['s'] * 300_000)}"), "more than 5000 words"),
        (RULE.replace("s: {f: a}", f"s: {{f|contains: [{'a, ' * 60_000}b]}}"), "more than 50000 values"),
        (RULE.replace("s: {f: a}", f"s: {{f|windash: [{'/a /b /c, ' * 600}b]}}"), "more than 50000 values"),
        (RULE.replace("s: {f: a}", f"s: [{'a, ' * 30_000}b]").replace(": s", ": s or s"), "more than 50000 values"),
        (RULE.replace("s: {f: a}", "\n  ".join(f"s{n}: {{f: a}}" for n in range(1_100))), "more than 1000 selections"),
    ],
    ids=range(16),
)
def test_reading_is_bounded(text: str, what: str) -> None:
    faults = list[RuleFault]()
    began = time.process_time()
    load_rules(text, faults=faults)
    assert time.process_time() - began < 5
    assert any(what in str(fault) for fault in faults), faults[:1]


def test_a_surprise_has_the_line_of_its_value() -> None:
    faults = list[RuleFault]()
    load_rules(RULE.replace("{f: a}", "\n    g: b\n    f: [a,\n      yes, 010]"), faults=faults)
    assert [str(fault).split(":")[1] for fault in faults] == ["7", "7"]


def test_plain_words_outside_a_detection_are_nobodys_surprise() -> None:
    assert load_rules(f"{RULE}date: 2026-01-01\nauthor: on\ndescription: 010\n").rules


_modifiers = st.lists(st.sampled_from([*modifier_mapping, "utf16le", "unknown", ""]), max_size=3)
_keys = st.builds(
    lambda path, modifiers: "|".join([path, *modifiers]), st.sampled_from(["f", "", " ", "n.a"]), _modifiers
)
_texts = st.one_of(st.text("ab*?\\%-/ ()[]|.{}^$1é\n", max_size=6), st.sampled_from(["10.0.0.0/8", "%x%"]))
_scalars = st.one_of(_texts, st.integers(-5, 70), st.just(10**330), st.floats(), st.booleans(), st.none())
_anything = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_keys, inner, max_size=2)),
    max_leaves=5,
)
_items = st.dictionaries(_keys, st.one_of(_scalars, st.lists(_scalars, min_size=1, max_size=3)), min_size=1, max_size=2)
_words = st.sampled_from(
    ["s", "t", "(", ")", "and", "or", "not", "1", "of", "all", "them", "s*", "AND", "|", "2", ",", "any"]
)
_conditions = st.one_of(st.sampled_from(["s", "not s"]), st.lists(_words, max_size=6).map(" ".join), _anything)


@given(selection=st.one_of(_items, _items, _anything), condition=_conditions)
@settings(max_examples=EXAMPLES, deadline=None)
def test_whatever_a_detection_holds_it_loads_or_says_what_instead(selection: Any, condition: Any) -> None:  # noqa: ANN401
    """Nothing escapes, and no fault speaks of pySigma's classes or leaves its reader without advice."""
    detection = {"s": selection, "t": {"g": "b"}, "condition": condition}
    rule = {"title": "t", "logsource": {"product": "p"}, "detection": detection}
    faults = list[RuleFault]()
    ruleset = load_rules(yaml.safe_dump(rule, allow_unicode=True), faults=faults)
    assert bool(ruleset.rules) is not bool(faults)
    assert [str(fault) for fault in faults if not fault.instead or re.search("Sigma[A-Z]|Error", fault.what)] == []
