"""What the rules of one set may take together."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import RuleFault
from detector.rules import patterns, totals
from detector.rules.loader import load_rules
from detector.rules.patterns import LARGE_BYTES, USUAL_BYTES, pattern_bytes
from detector.rules.totals import Totals

LARGE = "a" * 6_000


def _rule(name: str, item: str) -> str:
    return f"title: {name}\nname: {name}\nlogsource: {{}}\ndetection:\n  s: {{{item}}}\n  condition: s\n"


def _loaded(*rules: str) -> tuple[set[str], list[RuleFault]]:
    faults = list[RuleFault]()
    ruleset = load_rules("---\n".join(rules), faults=faults)
    return {*ruleset.rules, *ruleset.correlations}, faults


def test_a_rule_that_does_not_fit_is_refused_and_the_others_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "MAX_BYTES", 4 * USUAL_BYTES)
    listed = ", ".join(f"value{number}" for number in range(1_000))
    count = "title: c\nname: c\ncorrelation: {type: event_count, rules: [big], timespan: 1m, condition: {gte: 2}}\n"
    names, faults = _loaded(_rule("a", "f: x"), _rule("big", f"f: [{listed}]"), _rule("b", "f|re: x+"), count)
    assert names == {"a", "b"}
    assert [fault.rule for fault in faults] == ["big", "c"]
    assert "would take more than 1 MiB in all" in faults[0].what
    assert "load fewer rules, or shorten its lists" in faults[0].instead
    assert "was refused" in faults[1].what


def test_an_expression_of_several_rules_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "MAX_BYTES", 3 * USUAL_BYTES)
    same = [_rule(f"r{number}", "f|re: ab+") for number in range(20)]
    assert len(_loaded(*same)[0]) == 20
    others = [_rule(f"r{number}", f"f|re: 'ab{{{number}}}'") for number in range(20)]
    names, faults = _loaded(*others)
    assert (len(names), len(faults)) == (2, 18)


def test_marks_in_texts_are_expressions_too() -> None:
    plain, marked = Totals(), Totals()
    for text, each in (("f: abc", plain), ("f: a?c", marked)):
        (rule,) = load_rules(_rule("r", text)).rules.values()
        each.add(rule.condition)
    assert marked.bytes - plain.bytes > USUAL_BYTES // 2


def test_a_bundle_of_large_expressions_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is within its own bound; together they are not, and those that were compiled are not all kept."""
    monkeypatch.setattr(totals, "MAX_BYTES", 20 * LARGE_BYTES)
    assert (pattern_bytes("a+"), pattern_bytes(f"x{LARGE}")) == (USUAL_BYTES, LARGE_BYTES)
    for number in range(150):
        (tmp_path / f"r{number:03d}.yml").write_text(_rule(f"r{number}", f"f|re: 'x{number}{LARGE}'"))
    faults = list[RuleFault]()
    ruleset = load_rules(tmp_path, faults=faults)
    assert (len(ruleset.rules), len(faults)) == (19, 131)
    assert patterns._large.cache_info().currsize <= 128
