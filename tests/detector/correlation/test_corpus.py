"""Every case of the corpus, in one go, in pieces with crashes, as a batch, and by the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from detector.__main__ import main
from detector.engine import Engine
from detector.rules.correlations import TYPES
from detector.rules.loader import load_rules
from tests.detector.correlation.corpus import Case, Told, cases, compared, dead_letters, gaps
from tests.detector.correlation.driving import collected

CASES = cases()
PLAIN = {key: case for key, case in CASES.items() if case.is_plain}
ENDING = {key: case for key, case in CASES.items() if case.clock is None}


@pytest.mark.parametrize("key", CASES)
def test_a_case_gives_the_alerts_that_it_says(key: str) -> None:
    case = CASES[key]
    outputs = case.run()
    told, expected = compared([case.told(draft) for draft in collected(outputs).values()], case.expected())
    assert told == expected
    assert dead_letters(outputs) == case.dead_letters
    assert gaps(outputs) == case.gaps


@pytest.mark.parametrize("key", ENDING)
def test_a_crash_after_every_event_changes_nothing(key: str) -> None:
    case = ENDING[key]
    arrivals = case.arrivals()
    cuts = range(len(arrivals) + 1)
    pieces = case.bench().run_in_pieces(arrivals, 2, cuts, [True] * len(cuts))
    assert pieces == collected(case.run())


@pytest.mark.parametrize("key", ENDING)
def test_nothing_is_kept_of_what_has_passed(key: str) -> None:
    case = ENDING[key]
    bench = case.bench()
    correlator = bench.correlator()
    correlator.process([candidate for arrival in case.arrivals() for candidate in bench.candidates(arrival)])
    stored = dict(correlator.dirty())
    correlator.finish()
    stored |= dict(correlator.dirty())
    # Of levels; how far the task has come is kept for ever.
    assert [key for key, value in stored.items() if value is not None and b"\x1f" in key] == []


@pytest.mark.parametrize("key", PLAIN)
def test_a_batch_gives_the_same_alerts(key: str) -> None:
    case = PLAIN[key]
    alerts = Engine(load_rules(case.text())).evaluate(_events(case), time_field="t")
    documents = [alert.document for alert in alerts]
    told = [
        {
            "of": each["rule"]["uuid"],
            "at": sorted(int(index) for index in each["convergence"]["evidence_ids"]),
            "count": each["convergence"]["alert"]["count"],
        }
        for each in documents
    ]
    assert _of_correlations(case, told) == _briefly(case, ("of", "at", "count"))


@pytest.mark.parametrize("key", list(PLAIN)[::5])
def test_the_command_gives_the_same_alerts(key: str, tmp_path: Path) -> None:
    case = PLAIN[key]
    rules, events = tmp_path / "r.yml", tmp_path / "e.ndjson"
    rules.write_text(case.text())
    events.write_text("".join(json.dumps(each) + "\n" for each in _events(case)))
    done = CliRunner().invoke(main, ["eval", "-r", str(rules), "-e", str(events), "--time-field", "t"])
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    told = [
        {"of": row["rule_id"], "at": row.get("event_indexes", [row.get("event_index")]), "group": row["group"]}
        for row in rows
    ]
    assert _of_correlations(case, told) == _briefly(case, ("of", "at", "group"))


def test_there_are_cases_of_every_type() -> None:
    kinds = [
        body["type"] for case in CASES.values() for body in (case.correlation, *case.correlations.values()) if body
    ]
    assert len(CASES) >= 150
    assert {kind for kind in TYPES if kinds.count(kind) < 3} == set()


def _events(case: Case) -> list[dict[str, Any]]:
    return [{**arrival.fields, "t": arrival.time_s} for arrival in case.arrivals()]


def _briefly(case: Case, keys: tuple[str, ...]) -> list[Told]:
    """Return what the stream tells, which another test compares with the case."""
    told = [case.told(draft) for draft in collected(case.run()).values()]
    return sorted(({key: each[key] for key in keys} for each in told), key=repr)


def _of_correlations(case: Case, told: list[Told]) -> list[Told]:
    # Rules that no correlation names alert by themselves; that is another matter.
    return sorted((each for each in told if each["of"] not in (*"abcde", *case.rules)), key=repr)
