"""Pipelines, placeholders and filters, as the commands and the settings take them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from detector.__main__ import main
from detector.runtime.clock import SystemClock
from detector.runtime.embedded.assembly import assemble
from detector.settings import load_settings

RULES = """title: Whoami
name: whoami
logsource: {product: windows, category: process_creation}
detection:
  selection: {Image|endswith: '\\whoami.exe', User|expand: '%admins%'}
  condition: selection
---
title: Build agents
name: agents
logsource: {product: windows}
expires: 2020-01-02
ticket: CHG-7
filter:
  rules: [whoami]
  agents: {ParentImage|endswith: '\\agent.exe'}
  condition: not agents
"""
EVENT = {
    "process.executable": "C:\\whoami.exe",
    "process.parent.executable": "C:\\agent.exe",
    "winlog.event_data.User": "ada",
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "whoami.yml").write_text(RULES)
    (tmp_path / "lists.yml").write_text("admins: [ada]\n")
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "lists.csv").write_text("list,value\nadmins,ada\n")
    (tmp_path / "names.yml").write_text(
        "name: n\ntransformations:\n- {id: n, type: field_name_mapping, mapping: {process.executable: exe}}\n"
    )
    (tmp_path / "isthmus.yml").write_text(
        "rules: [rules]\npipelines: [windows]\ncontext: {folder: context}\nhttp: {enabled: false}\ndata_dir: data\n"
        "canary: {every: 0s}\n"
    )
    return tmp_path


def test_rules_check_takes_pipelines_and_lists_from_options_or_settings(folder: Path) -> None:
    options = run("rules", "check", folder / "rules", "--pipeline", "windows", "--placeholders", folder / "lists.yml")
    settings = run("rules", "check", "-c", folder / "isthmus.yml")
    for result in (options, settings):
        assert result.exit_code == 0, result.output
        assert "1 rules, 0 correlations, 0 faults" in result.output
        assert "whoami.yml:8: Build agents" in result.output
        assert "expired on 2020-01-02T00:00:00Z and no longer filters 1 rule" in result.output
        assert "ticket CHG-7" in result.output
    without = run("rules", "check", folder / "rules", "--json")
    assert without.exit_code == 1
    assert "%admins% is not resolved" in json.loads(without.output)["details"][0]["what"]


@pytest.mark.parametrize("field", ["@timestamp", "written.at"])
def test_eval_maps_fills_and_ends_filters_by_the_events_own_time(folder: Path, field: str) -> None:
    events = folder / "events.ndjson"
    outer, _, inner = field.partition(".")
    times = ["2020-01-01T23:59:59Z", "2020-01-02T00:00:00Z"]
    events.write_text("".join(json.dumps({**EVENT, outer: {inner: at} if inner else at}) + "\n" for at in times))
    arguments = ("--pipeline", "windows", "--placeholders", folder / "lists.yml", "--time-field", field)
    result = run("eval", "-r", folder / "rules", "-e", events, *arguments)
    assert result.exit_code == 0, result.output
    (found,) = map(json.loads, result.stdout.splitlines())
    assert (found["rule_name"], found["event_index"]) == ("whoami", 1)


def test_several_pipelines_reach_eval_in_order(folder: Path) -> None:
    (folder / "e.ndjson").write_text(json.dumps({"exe": "C:\\whoami.exe", "winlog.event_data.User": "ada"}) + "\n")
    names = ("--pipeline", folder / "names.yml", "--pipeline", "windows")
    arguments = (*names, "--placeholders", folder / "lists.yml")
    result = run("eval", "-r", folder / "rules", "-e", folder / "e.ndjson", *arguments)
    assert "whoami" not in result.stdout, "no priority is 0, and comes before that of windows"
    (folder / "names.yml").write_text((folder / "names.yml").read_text() + "priority: 20\n")
    assert "whoami" in run("eval", "-r", folder / "rules", "-e", folder / "e.ndjson", *arguments).stdout


def test_settings_name_pipelines_beside_them_or_bundled_ones(folder: Path) -> None:
    (folder / "isthmus.yml").write_text("pipelines: [windows, names.yml, sub, sysmon]\n")
    (folder / "sub").mkdir()
    settings = load_settings(folder / "isthmus.yml")
    assert settings.pipelines == ["windows", str(folder / "names.yml"), str(folder / "sub"), "sysmon"]


def test_the_engine_starts_with_the_lists_of_its_context_and_says_what_expired(folder: Path) -> None:
    with capture_logs() as logs:
        assembly = assemble(load_settings(folder / "isthmus.yml"), SystemClock())
    assembly.close()
    assert len(assembly.ruleset.rules) == 1
    (entry,) = [entry for entry in logs if entry["event"] == "filter_wants_a_look"]
    assert (entry["log_level"], entry["line"], entry["filter"]) == ("warning", 8, "Build agents")
    assert "expired on 2020-01-02T00:00:00Z" in entry["what"]
