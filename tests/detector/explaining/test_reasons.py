"""Why a test does not hold, as it is said to people."""

from __future__ import annotations

from typing import Any

import pytest

from detector.engine import Engine
from detector.explaining.model import Comparison, Part
from detector.rules.loader import load_rules


class _Hostile(str):
    __slots__ = ()

    def isascii(self) -> bool:
        raise ValueError("hostile")


CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("Image: x", {}, "missing", "the event has no such field"),
    ("Image: x", {"image": "x"}, "missing", "it has `image`, with a value that would do"),
    ("process.name: x", {"process_name": "y"}, "missing", "it has `process_name`"),
    ("Image: x", {"winlog": {"event_data": {"Image": "x"}}}, "missing", "`winlog.event_data.Image`, with a value"),
    ("CommandLine: x", {"ComandLine": "y"}, "missing", "it has `ComandLine`"),
    ("f: x", {"f": None}, "null", "no value"),
    ("f: x", {"f": []}, "null", "an empty list"),
    ("f: x", {"f": ""}, "empty", "an empty text"),
    ("f|cased: Ab", {"f": "ab"}, "case", "differs only in case"),
    ("f|endswith: '\\a.exe'", {"f": "c:\\a.exe "}, "whitespace", "differs only in spaces around it"),
    ("f: a b", {"f": "a  b"}, "whitespace", "how many spaces"),
    ("f|endswith: '\\a.exe'", {"f": "c:/a.exe"}, "slashes", "has / where the rule has \\"),
    ("f|startswith: 'c:/'", {"f": "c:\\a"}, "slashes", "has \\ where the rule has /"),
    ("f|endswith: '\\a.exe'", {"f": "c:\\a.exe -x"}, "place", "contains it, but not at the end"),
    ("f|startswith: a", {"f": "xa"}, "place", "contains it, but not at the start"),
    ("f: a", {"f": "xay"}, "more", "contains it, with more around"),
    ("f: abc", {"f": '"abc"'}, "more", "stands in quotes"),
    ("f|endswith: '\\sys\\cmd.exe'", {"f": "c:\\x\\cmd.exe"}, "place", "contains only its end, 'cmd.exe'"),
    ("f: abcd", {"f": "abc"}, "other", "only a part of it"),
    ("f: abc", {"f": "xyz"}, "other", "another value"),
    ("f: [powershell.exe, cmd.exe]", {"f": "c:\\powershel.exe"}, "other", "spelt almost like it"),
    ("f: 4624", {"f": "4624 "}, "whitespace", "differs only in spaces"),
    ("f: 16", {"f": "0x10"}, "type", "the same number in hexadecimal"),
    ("f: 16", {"f": "16.0"}, "type", "the same number written otherwise"),
    ("f: 16", {"f": 17}, "other", "another value"),
    ("f: 16", {"f": "many"}, "type", "a text that is no such number"),
    ("f: true", {"f": "yes"}, "type", "a text that is no such number or word"),
    ("f|re: ab+c", {"f": "ABBC"}, "case", "add the modifier `i`"),
    ("f|re: a.c", {"f": "a\nc"}, "not_found", "add the modifier `s`"),
    ("f|re: a.c", {"f": "x"}, "not_found", "the pattern is nowhere in it"),
    ("f|cidr: 10.0.0.0/8", {"f": "10.1.1.1:443"}, "type", "the address in it lies inside"),
    ("f|cidr: 10.0.0.0/8", {"f": "192.0.2.1"}, "outside", "an address outside"),
    ("f|cidr: 10.0.0.0/8", {"f": "2001:db8::1"}, "outside", "of the other address family"),
    ("f|cidr: 10.0.0.0/8", {"f": "host"}, "type", "not an address"),
    ("f|gt: 5", {"f": 5}, "outside", "beyond the bound"),
    ("f|gt: 5", {"f": "five"}, "type", "not a number"),
    ("f|hour: 5", {"f": "2026-01-01T06:00:00+02:00"}, "outside", "another hour in UTC"),
    ("f|hour: 5", {"f": "early"}, "type", "not a timestamp"),
    ("f|fieldref: g", {"f": "a", "G": "a"}, "reference", "`g`, which the event does not have; it has `G`"),
    ("f|fieldref: g", {"f": "a", "g": "b"}, "reference", "`g`, which is 'b'"),
    ("f: null", {"f": "x"}, "present", "a value, not null"),
    ("f: null", {"f": ""}, "present", "an empty text, which is not null"),
    ("f|exists: false", {"f": "x"}, "present", "must not be"),
    ("f: x", {"f": {"a": 1}}, "type", "an object, not a value"),
    ("f|endswith: x", {"f": ["a", "xa"]}, "list", "none of its 2 members fits; the nearest: contains it, but not"),
    ("f: [a, b]", {"f": "c"}, "other", "none of the 2"),
    ("f|endswith: [q, '\\a.exe']", {"f": "\\a.exe -x"}, "place", "none of the 2; nearest '\\a.exe': contains it"),
    ("f|contains|all: [a, b, c]", {"f": "xbx"}, "other", "2 of 3 missing: 'a', 'c'"),
    ("f|contains: a", {"f": _Hostile("x")}, "unreadable", "cannot be read"),
    ("f: 7", {"f": 10**5000}, "other", "another value"),
]


def _tests(part: Part) -> list[Comparison]:
    return [part.test] if part.test is not None else [test for below in part.parts for test in _tests(below)]


def _only_test(detection: str, event: dict[str, Any]) -> Comparison:
    rule = f"title: t\nname: r\nlogsource: {{}}\ndetection:\n  s:\n    {detection}\n  condition: s\n"
    [test] = _tests(Engine(load_rules(rule)).explain("r", event).condition)
    return test


@pytest.mark.parametrize(
    ("detection", "event", "reason", "words"), CASES, ids=[f"{case[0]} {case[3]}" for case in CASES]
)
def test_reason(detection: str, event: dict[str, Any], reason: str, words: str) -> None:
    test = _only_test(detection, event)
    assert test.reason == reason
    assert words in test.why


def test_a_keyword_says_where_it_is_and_that_it_is_nowhere() -> None:
    rule = "title: t\nname: r\nlogsource: {}\ndetection:\n  s: [abc, xyz]\n  condition: s\n"
    engine = Engine(load_rules(rule))
    [found] = _tests(engine.explain("r", {"a": 1, "b": ["q", "an ABC"]}).condition)
    assert (found.reason, found.why, found.closest) == ("held", "in `b`", "'abc'")
    [missed] = _tests(engine.explain("r", {"a": 1}).condition)
    assert (missed.reason, missed.why) == ("not_found", "in none of the event's values")


def test_values_are_shortened_and_cannot_move_the_cursor() -> None:
    test = _only_test("f: x", {"f": "\x1b[2J" + "a" * 5_000 + "the end"})
    assert test.had is not None
    assert test.had.isprintable()
    assert test.had.startswith("'\\x1b[2J")
    assert test.had.endswith("the end'")
    assert len(test.had) < 200


def test_what_was_wanted_is_written_as_sigma_writes_it() -> None:
    for detection, modifiers, wanted in [
        ("f|contains: ab", "contains", "'ab'"),
        ("f|startswith|cased: ab", "cased|startswith", "'ab'"),
        ("f: 'a*b?c'", "", "'a*b?c'"),
        ("f: '*'", "", "'*'"),
        ("f|re|i: a", "re", "'(?i)a'"),
        ("f|gte: 3", "gte", "3"),
        ("f|fieldref|endswith: g", "fieldref|endswith", "'g'"),
        ("f|exists: true", "exists", "true"),
        ("f|cidr: 10.0.0.0/8", "cidr", "10.0.0.0/8"),
        ("f|hour: 3", "hour", "3"),
    ]:
        test = _only_test(detection, {})
        assert (test.modifiers, test.wanted) == (modifiers, (wanted,)), detection
