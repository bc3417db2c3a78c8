"""The fast path finds what trying every rule finds: on random rules and events, and on real ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.lanes import high_entropy
from detector.matching.grouping import SourceFields
from detector.matching.matcher import Matcher
from detector.matching.scanner import ScannerName
from detector.rules.condition import Condition
from detector.rules.loader import load_rules
from detector.rules.model import DetectionRule, LogSource
from tests.detector.matching.agreement import assert_agreement, assert_agreement_while_plans_change, fail
from tests.detector.matching.conditions import conditions, events, flat_events, rules_of
from tests.detector.matching.scanners import SCANNERS
from tests.shared import unpacked

EXAMPLES = 4_000 if os.environ.get("ISTHMUS_LONG") else 150


@pytest.mark.parametrize("scanner", SCANNERS)
@given(
    made=st.lists(conditions, min_size=1, max_size=6),
    batch=st.lists(events, min_size=1, max_size=14),
    source=st.sampled_from([LogSource(), LogSource("c"), LogSource("c", "p"), LogSource("d", "q", "s")]),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_events_of_any_shape(
    scanner: ScannerName, made: list[Condition], batch: list[dict[str, Any]], source: LogSource
) -> None:
    assert_agreement(rules_of(made), batch, source, scanner)


@pytest.mark.parametrize("scanner", SCANNERS)
@given(
    made=st.lists(conditions, min_size=1, max_size=8),
    distinct=st.lists(flat_events, min_size=5, max_size=12),
    repeats=st.integers(1, 5),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_events_of_one_shape(
    scanner: ScannerName, made: list[Condition], distinct: list[dict[str, Any]], repeats: int
) -> None:
    assert_agreement(rules_of(made), distinct * repeats, LogSource(), scanner)


@pytest.mark.parametrize("scanner", SCANNERS)
@given(
    made=st.lists(conditions, min_size=1, max_size=6),
    batch=st.lists(events, min_size=6, max_size=20),
    source=st.sampled_from([LogSource(), LogSource("c", "p")]),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_while_plans_change(
    scanner: ScannerName, made: list[Condition], batch: list[dict[str, Any]], source: LogSource
) -> None:
    assert_agreement_while_plans_change(rules_of(made), batch, source, scanner)


SAMPLE = 1_500 if os.environ.get("ISTHMUS_LONG") else 100
WARM_UP = 900
"""Events of a lane that are tried with each rule, and before them some for its plan to settle."""

LANES = {
    "structured_windows": 6_489,
    "sysmon_file_event": 505,
    "raw_windows": 224,
    "cisco_syslog": 14_134,
    "match_heavy": 9_996,
    "no_match": 0,
}
"""Matches that both peers and a slow evaluation of every rule found."""

UNROUTED = {
    "structured_windows": 20_341,
    "sysmon_file_event": 10_555,
    "raw_windows": 20_237,
    "cisco_syslog": 24_134,
    "match_heavy": 21_673,
    "no_match": 10_370,
}
"""The same with every rule on every event, whatever its log source; of the first two and match_heavy by trying each."""

STRIDE = 29 if os.environ.get("ISTHMUS_LONG") else 331
"""Of so many events of a lane one is tried with every rule."""

PLANNED = 2_500
"""Events after which a plan of all rules is made, given a few at a time."""


@pytest.fixture(scope="module")
def sigmahq(tmp_path_factory: pytest.TempPathFactory) -> list[DetectionRule]:
    folder = unpacked("sigmahq_rules", tmp_path_factory.mktemp("sigmahq"))
    return list(load_rules([folder / "sigmahq" / "rules"]).rules.values())


@pytest.fixture(scope="module")
def slow(sigmahq: list[DetectionRule]) -> Matcher:
    """Return a matcher that is only ever asked to try every rule."""
    return Matcher(sigmahq, fail)


@pytest.fixture(scope="module")
def lanes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    folder = unpacked("lanes", tmp_path_factory.mktemp("lanes"))
    decoder = msgspec.json.Decoder(dict[str, Any])
    return {name: decoder.decode_lines((folder / f"{name}.ndjson").read_bytes()) for name in LANES}


def _batches(lane: list[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    each = iter(lane)
    while batch := list(islice(each, size)):
        yield batch


def _tried(matcher: Matcher, some: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Return what trying every rule of an event's own log source finds."""
    sources = [LogSource(*map(event.get, ("category", "product", "service"))) for event in some]
    pairs = enumerate(zip(some, sources, strict=True))
    return [(row, number) for row, (event, source) in pairs for number in matcher.try_all(event, source)]


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("size", [1, 3, 100, 1_000])
def test_lanes_match_as_often_as_the_peers_found(
    sigmahq: list[DetectionRule], lanes: dict[str, list[dict[str, Any]]], lane: str, size: int
) -> None:
    matcher = Matcher(sigmahq, fail)
    assert sum(len(matcher.match(batch, SourceFields())) for batch in _batches(lanes[lane], size)) == LANES[lane]


@pytest.mark.parametrize(("lane", "matches"), UNROUTED.items())
@pytest.mark.parametrize("size", [1, 3, 100, 1_000] if os.environ.get("ISTHMUS_LONG") else [1_000])
def test_lanes_without_log_sources_match_as_often_as_every_rule_tried(
    sigmahq: list[DetectionRule], lanes: dict[str, list[dict[str, Any]]], lane: str, matches: int, size: int
) -> None:
    matcher = Matcher(sigmahq, fail)
    assert sum(len(matcher.match(batch, LogSource())) for batch in _batches(lanes[lane], size)) == matches


@pytest.mark.parametrize("scanner", SCANNERS)
@pytest.mark.parametrize("lane", LANES)
def test_lanes_without_log_sources_match_as_the_oracle_says(
    sigmahq: list[DetectionRule],
    slow: Matcher,
    lanes: dict[str, list[dict[str, Any]]],
    lane: str,
    scanner: ScannerName,
) -> None:
    """Every rule on every event of a part of the lane, under the first plan and one of its own."""
    matcher = Matcher(sigmahq, fail, scanner)
    some = lanes[lane][::STRIDE]
    expected = [(row, number) for row, event in enumerate(some) for number in slow.try_all(event, LogSource())]
    assert matcher.match(some, LogSource()) == expected
    for batch in _batches(lanes[lane][:PLANNED], 20):
        matcher.match(batch, LogSource())
    assert matcher.plans > 1
    assert matcher.match(some, LogSource()) == expected
    alone = [(row, number) for row, event in enumerate(some) for _, number in matcher.match([event], LogSource())]
    assert alone == expected


@pytest.mark.parametrize("scanner", SCANNERS)
@pytest.mark.parametrize("lane", LANES)
def test_lanes_match_as_the_oracle_says(
    sigmahq: list[DetectionRule], lanes: dict[str, list[dict[str, Any]]], lane: str, scanner: ScannerName
) -> None:
    matcher = Matcher(sigmahq, fail, scanner)
    some = lanes[lane][::97]
    expected = _tried(matcher, some)
    assert matcher.match(some, SourceFields()) == expected


@pytest.mark.parametrize("scanner", SCANNERS)
@pytest.mark.parametrize("lane", LANES)
def test_lanes_whose_values_never_repeat_match_as_the_oracle_says(
    sigmahq: list[DetectionRule],
    lanes: dict[str, list[dict[str, Any]]],
    tmp_path: Path,
    lane: str,
    scanner: ScannerName,
) -> None:
    """The plan is the stream's own by then, and no column has a value twice."""
    path = tmp_path / "some.ndjson"
    path.write_bytes(b"\n".join(map(msgspec.json.encode, lanes[lane][::97])))
    varied = msgspec.json.Decoder(dict[str, Any]).decode_lines(b"\n".join(high_entropy(path, SAMPLE + WARM_UP)))
    matcher = Matcher(sigmahq, fail, scanner)
    for batch in _batches(varied[SAMPLE:], 100):
        matcher.match(batch, SourceFields())
    some = varied[:SAMPLE]
    expected = _tried(matcher, some)
    assert matcher.match(some, SourceFields()) == expected
    alone = [(row, number) for row, event in enumerate(some) for _, number in matcher.match([event], SourceFields())]
    assert alone == expected
