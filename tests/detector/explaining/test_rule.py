"""A rule's explanation as a whole: names, filters, log source, what stands in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.engine import Engine
from detector.errors import UnknownRuleError
from detector.explaining.model import Part
from detector.explaining.text import lines_of
from detector.rules.loader import load_rules
from detector.rules.model import LogSource

RULE = r"""
title: Encoded shell
id: 6f3f2a1e-0000-4000-8000-000000000001
name: enc
logsource: {product: windows, category: process_creation}
detection:
  selection_img:
    - Image|endswith: ['\cmd.exe', '\powershell.exe', '\pwsh.exe']
    - OriginalFileName: [Cmd.Exe, PowerShell.EXE]
  selection_cli:
    CommandLine|contains|all: [' -enc', 'hidden']
    EventID: 1
  filter_main_a:
    ParentImage|endswith: '\svchost.exe'
    User: null
  filter_main_b:
    ParentImage|endswith: '\explorer.exe'
  condition: all of selection_* and not 1 of filter_main_*
""".lstrip()
FILTER = """---
title: Our scanner
logsource: {product: windows, category: process_creation}
filter:
  rules: [enc]
  scanner: {User: scanner}
  condition: not scanner
"""
MATCH = {"Image": r"C:\cmd.exe", "CommandLine": "x -enc hidden", "EventID": 1, "ParentImage": r"C:\a.exe"}


def _names(part: Part) -> list[str]:
    return [name for name in (part.name, *(each for below in part.parts for each in _names(below))) if name]


def test_the_tree_has_the_authors_names_and_the_filters_title() -> None:
    told = Engine(load_rules(RULE + FILTER)).explain("enc", MATCH)
    assert told.matched
    assert _names(told.condition) == [
        *("selection_img", "selection_cli", "filter_main_a", "filter_main_b", "filter: Our scanner", "scanner")
    ]


def test_names_survive_a_pipeline_and_a_list_of_conditions(tmp_path: Path) -> None:
    pipeline = tmp_path / "p.yml"
    pipeline.write_text(
        "name: p\npriority: 1\ntransformations:\n- {id: m, type: field_name_mapping, mapping: {f: [a, b]}}\n"
    )
    rule = (
        "title: t\nname: r\nlogsource: {product: p}\ndetection:\n  one: {f|windash|contains: ' -x', g: 1}\n"
        "  two: {f: [1, 2]}\n  condition: [one, two and not one]\n"
    )
    told = Engine(load_rules(rule, pipelines=[pipeline])).explain("r", {"a": 1})
    assert _names(told.condition) == ["one", "two", "one"]
    assert told.blockers == ("one: a|contains: ' -x', ' /x' - has 1: none of the 2",) or told.matched


def test_one_blocker_is_named_with_its_selection() -> None:
    engine = Engine(load_rules(RULE + FILTER))
    assert engine.explain("enc", MATCH | {"CommandLine": "x -enc"}).blockers == (
        "selection_cli: CommandLine|contains|all: ' -enc', 'hidden' - has 'x -enc': 1 of 2 missing: 'hidden'",
    )
    assert engine.explain("enc", MATCH | {"ParentImage": r"C:\svchost.exe"}).blockers == (
        r"filter_main_a: ParentImage|endswith: '\svchost.exe' - holds, and must not: has 'C:\svchost.exe'",
    )
    assert engine.explain("enc", MATCH | {"User": "SCANNER"}).blockers == (
        "filter: Our scanner: scanner: User: 'scanner' - holds, and must not: has 'SCANNER'",
    )


def test_an_expired_filter_is_said_to_filter_no_more() -> None:
    ended = FILTER.replace("filter:\n", "expires: 2026-10-01\nticket: CHG-7\nfilter:\n")
    engine = Engine(load_rules(RULE + ended))
    scanner = MATCH | {"User": "scanner"}
    before = engine.explain("enc", scanner | {"@timestamp": "2026-09-30T23:59:59Z"})
    after = engine.explain("enc", scanner | {"@timestamp": "2026-10-01T00:00:00Z"})
    assert (before.matched, before.notes) == (False, ())
    assert before.blockers == ("filter: Our scanner: scanner: User: 'scanner' - holds, and must not: has 'scanner'",)
    assert (after.matched, len(after.notes)) == (True, 1)
    assert "filter 'Our scanner' expired on 2026-10-01T00:00:00Z and does not filter this event" in after.notes[0]
    assert "CHG-7" in after.notes[0]


def test_a_contradicting_log_source_is_the_reason_though_the_condition_holds() -> None:
    told = Engine(load_rules(RULE)).explain("enc", MATCH, {"product": "linux"})
    assert (told.matched, told.condition.held, told.logsource.held) == (False, True, False)
    assert told.blockers == ("the rule looks at product 'windows', the event is of 'linux'",)
    assert Engine(load_rules(RULE)).explain("enc", MATCH, LogSource(product="windows")).matched


def test_lists_beyond_the_bound_are_told_by_what_decides() -> None:
    values = ", ".join(f"v{number}" for number in range(1_000))
    fields = "".join(f"    - f{number}: 1\n" for number in range(100))
    rule = (
        f"title: t\nname: r\nlogsource: {{}}\ndetection:\n  s:\n    g: [{values}]\n  m:\n{fields}  condition: s and m\n"
    )
    told = Engine(load_rules(rule)).explain("r", {"g": "v900", "f77": 1})
    assert told.matched
    listed, many = told.condition.parts
    assert listed.test is not None
    assert (listed.test.wanted_count, len(listed.test.wanted), listed.test.closest) == (1_000, 5, "'v900'")
    assert (len(many.parts), many.left_out) == (40, 60)
    assert any(part.held for part in many.parts)


def test_what_else_decides_is_noted() -> None:
    rules = (
        "title: t\nname: r\nlogsource: {}\nsuppress: 1h\ndetection: {s: {f: 1}, condition: s}\n---\ntitle: Many\n"
        "correlation: {type: event_count, rules: [r], timespan: 1m, condition: {gte: 3}}\n"
    )
    assert Engine(load_rules(rules)).explain("r", {}).notes == (
        "does not alert on its own: it feeds 'Many'",
        "repeats within 3600 s are folded into one alert (`suppress`)",
    )


def test_a_rule_is_found_by_id_name_title_and_beginning_of_its_id() -> None:
    engine = Engine(load_rules(RULE))
    for text in ("6f3f2a1e-0000-4000-8000-000000000001", "enc", "encoded SHELL", "6f3f"):
        assert engine.explain(text, {}).rule_title == "Encoded shell"
    with pytest.raises(UnknownRuleError, match="did you mean 'Encoded shell'"):
        engine.explain("Encoded shel", {})
    twice = load_rules(RULE + "---\n" + RULE.replace("enc\n", "enc2\n").replace("01\n", "02\n"))
    with pytest.raises(UnknownRuleError, match="means 2 rules; give the id"):
        Engine(twice).explain("Encoded shell", {})


def test_text_shows_answer_reason_and_tree() -> None:
    told = Engine(load_rules(RULE)).explain("enc", MATCH | {"ParentImage": r"C:\explorer.exe", "EventID": "2"})
    mark = {True: "✓ ", False: "✗ ", None: ""}
    assert ["  " * line.depth + mark[line.held] + line.text for line in lines_of(told)] == [
        "✗ Encoded shell does not match the event",
        "  because of:",
        "    - selection_cli: EventID: 1 - has '2': another number",
        r"    - filter_main_b: ParentImage|endswith: '\explorer.exe' - holds, and must not: has 'C:\explorer.exe'",
        "  ✓ log source: category process_creation, product windows (the event names none, so every rule is tried)",
        "  ✗ all of:",
        "    ✓ selection_img any of:",
        r"      ✓ Image|endswith: '\cmd.exe' (and 2 more) - has 'C:\cmd.exe'",
        "      … and 1 that does not hold",
        "    ✗ selection_cli",
        "      ✓ CommandLine|contains|all: ' -enc', 'hidden' - has 'x -enc hidden'",
        "      ✗ EventID: 1",
        "          has '2': another number",
        "    ✗ not:",
        r"      ✓ filter_main_b: ParentImage|endswith: '\explorer.exe' - has 'C:\explorer.exe'",
    ]
