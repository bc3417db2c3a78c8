"""Regular expressions that no rule should have: refused with a clear fault, or quick."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from detector.engine import Engine
from detector.errors import RuleErrors
from detector.rules.loader import load_rules
from detector.rules.model import LogSource
from detector.rules.patterns import MAX_LENGTH, PatternError, compile_pattern

RULE = """
title: A pattern
id: 0e277796-5f23-4e49-a490-483131d4f6a1
logsource: {category: c}
detection:
  selection:
    f%s: '%s'
  condition: selection
level: low
"""
REFUSED = {
    "a megabyte": ("|re", "a" * 1_000_000),
    "a hundred thousand alternatives": ("|re", "|".join(f"x{number}" for number in range(100_000))),
    "look-ahead": ("|re", "(?=a)b"),
    "a reference back": ("|re", r"(a)\1"),
    "a repeat of repeats": ("|re", "(a{1000}){50}"),
    "three deep": ("|re", "((a{0,100}){0,100}){0,100}"),
    "many of a large class": ("|re", r"\p{L}{1,500}" * 3),
    "a class of classes": ("|re", "[" * 50_000),
    "not closed": ("|re", "(a"),
    "a text with marks": ("", "?" * 100_000),
    "a long text with a mark": ("", "a" * 50_000 + "?"),
}
QUICK = {
    "catastrophic elsewhere": "(a+)+$",
    "ambiguous": "(a|a)*(a|a)*(a|a)*$",
    "repeats of nothing": "(a*)*" * 1_000,
    "500 deep": "(" * 500 + "a" + ")" * 500,
    "4,000 deep": "(" * 4_000 + "a" + ")" * 4_000,
    "4,000 groups": "(a)" * 2_700,
    "any of a thousand": "|".join(f"x{number}" for number in range(1_000)),
}


@pytest.mark.parametrize(("modifier", "pattern"), REFUSED.values(), ids=REFUSED)
def test_is_refused(tmp_path: Path, modifier: str, pattern: str) -> None:
    """The fault names path and rule and is short; it takes no long time to say so."""
    path = tmp_path / "rule.yml"
    path.write_text(RULE % (modifier, pattern))
    began = time.process_time()
    with pytest.raises(RuleErrors) as raised:
        load_rules([tmp_path])
    assert time.process_time() - began < 5
    (fault,) = raised.value.faults
    assert fault.path == str(path)
    assert "0e277796" in str(fault)
    assert len(str(fault)) < 1_000


@pytest.mark.parametrize("pattern", QUICK.values(), ids=QUICK)
def test_takes_little_time_and_memory(tmp_path: Path, pattern: str) -> None:
    """Loading, planning and matching values made for it."""
    (tmp_path / "rule.yml").write_text(RULE % ("|re", pattern))
    began = time.process_time()
    engine = Engine(load_rules([tmp_path]))
    for value in ("a" * 5_000, "a" * 5_000 + "b", "x" * 5_000, ""):
        engine.match_batch([{"f": value}] * 8, LogSource("c"))
        engine.match({"f": value}, LogSource("c"))
    assert time.process_time() - began < 5
    assert not engine.failures


def test_the_longest_pattern() -> None:
    """Exactly the limit is taken, one more is not."""
    assert compile_pattern("a" * MAX_LENGTH).search("a" * MAX_LENGTH)
    with pytest.raises(PatternError):
        compile_pattern("a" * (MAX_LENGTH + 1))
