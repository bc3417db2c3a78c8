"""A folder full of broken rules: one report with each fault's place, id, what is wrong and what to write instead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from detector.__main__ import main
from detector.errors import RuleFault
from detector.rules.loader import load_rules

DATA = Path(__file__).resolve().parents[2] / "data" / "detector" / "rules"
RULE = "title: t\nname: r\nlogsource: {product: p}\ndetection:\n  s: {f: a}\n  condition: s\n"


@pytest.fixture(autouse=True)
def _in_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DATA)


def test_the_report_of_a_broken_folder_reads_as_written_down() -> None:
    """After a change that is meant: isthmus rules check broken > broken.txt, in tests/data/detector/rules."""
    found = CliRunner().invoke(main, ["rules", "check", "broken"])
    assert found.exit_code == 1
    assert found.output == (DATA / "broken.txt").read_text()


def test_the_report_as_json_carries_every_part() -> None:
    found = CliRunner().invoke(main, ["rules", "check", "--json", "broken"])
    report = json.loads(found.stdout)
    assert report["faults"] == len(report["details"]) > 30
    assert report["details"][0] == {
        "path": "broken/cidr.yml",
        "line": 6,
        "rule": "No address range",
        "rule_id": "no_range",
        "what": "'10.0.0.0/40' does not appear to be an IPv4 or IPv6 network",
        "instead": "write a range such as 10.0.0.0/8 or fe80::/10",
    }


def test_what_is_not_broken_loads() -> None:
    faults: list[RuleFault] = []
    ruleset = load_rules(DATA / "broken", faults=faults)
    assert list(ruleset.rules) == ["20000000-0000-4000-8000-000000000001", "loads_before"]
    assert not ruleset.correlations


def test_a_rule_whose_only_correlation_is_refused_alerts_on_its_own() -> None:
    text = f"{RULE}---\ntitle: c\ncorrelation:\n  type: event_count\n  rules: [r]\n  condition: {{gte: 3}}\n"
    faults: list[RuleFault] = []
    assert load_rules(text, faults=faults).rules["r"].meta.generate
    assert [fault.what for fault in faults] == ["type event_count needs a `timespan` such as 10m"]


@pytest.mark.parametrize(
    "text",
    [
        f"title: t\nf: {'[' * 200_000}{']' * 200_000}\n",
        f"title: t\nf: {'{a: ' * 200_000}b{'}' * 200_000}\n",
        f"title: t\nf:\n  {'- ' * 200_000}a\n",
        "\n".join(f"{' ' * depth}a:" for depth in range(2_000)),
        "a: &a [*a]\n",
    ],
)
def test_a_bottomless_document_is_a_fault_and_not_the_end_of_the_process(text: str) -> None:
    faults: list[RuleFault] = []
    load_rules(text, faults=faults)
    assert [fault.what.startswith("is not valid YAML") for fault in faults] == [True]


def test_a_stamp_is_the_text_that_it_is() -> None:
    faults: list[RuleFault] = []
    ruleset = load_rules(RULE.replace("f: a", "f: 2026-01-02"), faults=faults)
    assert not faults
    assert "2026-01-02" in repr(ruleset.rules["r"].condition)


def test_a_folder_above_may_be_called_pipelines(tmp_path: Path) -> None:
    folder = tmp_path / "pipelines" / "rules"
    folder.mkdir(parents=True)
    (folder / "r.yml").write_text(RULE)
    assert list(load_rules(folder).rules) == ["r"]
