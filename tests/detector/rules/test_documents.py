"""Rule text is hostile: whatever it is, reading it ends soon, with a fault that has a line."""

from __future__ import annotations

import time

import pytest

from detector.errors import RuleFault
from detector.rules.loader import load_rules

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
