"""The commands as people type them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from detector.__main__ import COMMANDS, main
from detector.demo.script import PLANT
from detector.runtime.clock import SteppedClock
from detector.runtime.embedded.rawlog import RawLog
from detector.runtime.embedded.store import EngineStore
from detector.settings import load_settings
from detector.task import DeadLetter

RULE = "title: t\nname: r\nlogsource: {product: windows}\ndetection:\n  s: {f: a}\n  condition: s\n"
COUNT = (
    "---\ntitle: three\nname: three\ncorrelation:\n  {type: event_count, rules: [r], group-by: [u], timespan: 10s,"
    " condition: {gte: 3}}\n"
)


def _run(*arguments: str, input: str | None = None) -> Result:  # noqa: A002  click's own name for it
    return CliRunner().invoke(main, list(arguments), input=input)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(command: str) -> None:
    result = _run(command, "--help")
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) > 5


def test_rules_check_of_good_and_bad_rules(tmp_path: Path) -> None:
    assert "0 faults" in _run("rules", "check").output
    (tmp_path / "bad.yml").write_text(RULE.replace("f: a", "f|contians: a"))
    result = _run("rules", "check", str(tmp_path))
    assert result.exit_code == 1
    assert "bad.yml:5" in result.output
    assert json.loads(_run("rules", "check", "--json", str(tmp_path)).output)["faults"] == 1


def test_context_check_of_the_plant_and_of_a_fault(tmp_path: Path) -> None:
    assert _run("context", "check", str(PLANT / "context")).exit_code == 0
    (tmp_path / "zones.csv").write_text("zone_id,class\nz,moon\n")
    result = _run("context", "check", str(tmp_path))
    assert (result.exit_code, "zones.csv:2:class" in result.output) == (1, True)


def test_init_writes_what_run_can_read_and_overwrites_nothing(tmp_path: Path) -> None:
    assert _run("init", str(tmp_path)).exit_code == 0
    settings = load_settings(tmp_path / "isthmus.yml")
    assert settings.inputs
    assert _run("context", "check", str(tmp_path / "context")).exit_code == 0
    (tmp_path / "isthmus.yml").write_text("mine")
    assert "kept" in _run("init", str(tmp_path)).output
    assert (tmp_path / "isthmus.yml").read_text() == "mine"


def _eval(tmp_path: Path, rules: str, events: list[object], *options: str) -> Result:
    (tmp_path / "r.yml").write_text(rules)
    lines = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in events)
    return _run("eval", "-r", str(tmp_path / "r.yml"), "-e", "-", *options, input=lines)


def test_eval_prints_matches_sorted_with_their_events(tmp_path: Path) -> None:
    events: list[object] = [
        {"@timestamp": f"2026-10-20T00:00:{second:02d}Z", "f": "a", "u": "x"} for second in (5, 1, 3)
    ]
    rows = [json.loads(line) for line in _eval(tmp_path, RULE, events).output.splitlines()]
    assert [row["event_index"] for row in rows] == [1, 2, 0]
    assert rows[0] | {"group": []} == {
        "rule_id": "r",
        "rule_title": "t",
        "rule_name": "r",
        "event_index": 1,
        "time": rows[0]["time"],
        "group": [],
    }
    rows = [json.loads(line) for line in _eval(tmp_path, RULE + COUNT, events).output.splitlines()]
    assert [(row["rule_name"], row["event_indexes"], row["group"]) for row in rows] == [("three", [0, 1, 2], ["x"])]


def test_eval_reads_the_log_source_and_survives_bad_lines(tmp_path: Path) -> None:
    result = _eval(
        tmp_path, RULE, ["{broken", {"f": "a", "product": "linux"}, {"f": "a", "product": "windows"}], "--stats"
    )
    assert result.exit_code == 1
    assert "-:1: not a JSON object" in result.stderr
    assert "3 events, 1 matches, 1 unreadable" in result.stderr
    assert json.loads(result.stdout)["event_index"] == 2


def test_eval_with_lateness_takes_input_as_arrival(tmp_path: Path) -> None:
    times = ["00:00:00", "00:00:01", "00:10:00", "00:00:02"]
    events: list[object] = [{"@timestamp": f"2026-10-20T{each}Z", "f": "a", "u": "x"} for each in times]
    assert "three" in _eval(tmp_path, RULE + COUNT, events).output
    assert _eval(tmp_path, RULE + COUNT, events, "--lateness", "1s").output == ""
    assert _eval(tmp_path, RULE, events, "--lateness", "soon").exit_code == 2


def test_inspect_shows_event_context_and_rules(tmp_path: Path) -> None:
    record = '{"id":"1","time":"2026-10-20T00:56:40Z","type":{"id":"1","name":"Forced door"},"source":{"name":"Gate"}}'
    (tmp_path / "r.ndjson").write_text(record + "\nnothing known\n")
    result = _run("inspect", str(tmp_path / "r.ndjson"))
    assert result.exit_code == 1
    for words in (
        "gallagher.event",
        "event.action = door-forced",
        "no asset is known",
        "door_forced",
        "not recognised",
    ):
        assert words in result.output
    first = json.loads(_run("inspect", "--json", str(tmp_path / "r.ndjson")).stdout.splitlines()[0])
    assert "door_forced" in first["events"][0]["rules_that_match"]


def test_replay_of_a_file_of_records(tmp_path: Path) -> None:
    _run("init", str(tmp_path))
    kind = '"type":{"id":"1","name":"Door schedule modified"},"modifiedItem":{"name":"Gate"}'
    record = '{"id":"%d","time":"2026-10-20T00:33:10Z",' + kind + "}"
    (tmp_path / "doors.ndjson").write_text("\n".join(record % n for n in range(3)))
    result = _run("replay", "-c", str(tmp_path / "isthmus.yml"), f"site/pacs={tmp_path / 'doors.ndjson'}")
    assert result.exit_code == 0, result.output
    # And one event of the engine's own, with which every watch begins.
    assert "3 records, 4 events, 0 dead letters" in result.output


def test_dead_letters_can_be_listed_shown_and_retried(tmp_path: Path) -> None:
    _run("init", str(tmp_path))
    config = str(tmp_path / "isthmus.yml")
    assert _run("deadletter", "list", "-c", config).exit_code == 2
    (tmp_path / "data").mkdir()
    store = EngineStore(tmp_path / "data" / "engine.db", durable=False)
    letter = DeadLetter(
        id="1", stage="normalize", source="s", dataset="zeek.conn", received_ns=10**18, error="no ts", value=b'{"x":1}'
    )
    store.add_dead_letters([letter])
    store.close()
    assert "no ts" in _run("deadletter", "list", "-c", config).output
    assert '{"x":1}' in _run("deadletter", "show", "-c", config, "1").output
    assert "1 of 1 put back" in _run("deadletter", "retry", "-c", config, "1").output
    log = RawLog(tmp_path / "data" / "raw.db", SteppedClock(0), partitions=2, durable=False)
    assert [logged.entry.record.value for logged in log.read(0, 10)] == [b'{"x":1}']
    log.close()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("inputs: [{type: htp}]", "inputs"),
        ("lateness: {default: 10}", "10s"),
        ("sources: {a: {zone: Mars/Base}}", "IANA zone"),
        ("raw_partitions: 0", "raw_partitions"),
        ("colour: red", "colour"),
        ("rules: [nowhere.yml]", "does not exist"),
        ("a: [", "not YAML"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(tmp_path: Path, content: str, what: str) -> None:
    (tmp_path / "isthmus.yml").write_text(content)
    result = _run("run", "-c", str(tmp_path / "isthmus.yml"))
    assert result.exit_code == 2
    assert what in result.output


def test_eval_explains_matches_first_then_the_nearest(tmp_path: Path) -> None:
    rule = RULE.replace("f: a", "f: a, g: b")
    events: list[object] = [{"f": "x"}, {"f": "a", "g": "c"}, {"f": "a", "g": "b"}, {"f": "x"}]
    result = _eval(tmp_path, rule, events, "--explain", "t", "--nearest", "1")
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == "✓ t matches event 2"
    assert "✗ t does not match event 1" in result.output
    assert "because of one thing: s: g: 'b' - has 'c': another value" in result.output
    assert result.output.splitlines()[-1] == "1 of 4 events match; 2 not shown, further away"
    found = json.loads(_eval(tmp_path, rule, events, "--explain", "r", "--format", "ndjson").output)
    assert [each["event_index"] for each in found["explanations"]] == [2, 1, 0, 3]
    assert (found["matched"], found["events"], "left_out" in found) == (1, 4, False)


def test_eval_explains_one_event_with_its_own_log_source(tmp_path: Path) -> None:
    result = _eval(tmp_path, RULE, [{"f": "a"}, {"f": "a", "product": "linux"}], "--explain", "t", "--event", "1")
    assert "because of one thing: the rule looks at product 'windows', the event is of 'linux'" in result.output
    assert "event 0" not in result.output


def test_eval_says_which_rule_or_event_cannot_be_explained(tmp_path: Path) -> None:
    unknown = _eval(tmp_path, RULE, [{}], "--explain", "tt")
    assert (unknown.exit_code, "did you mean 't'" in unknown.stderr) == (2, True)
    refused = _eval(tmp_path, RULE.replace("f: a", "f|contians: a"), [{}], "--explain", "t")
    assert (refused.exit_code, "it was refused: " in refused.stderr) == (2, True)
    beyond = _eval(tmp_path, RULE, [{}], "--explain", "t", "--event", "1")
    assert (beyond.exit_code, "there are 1 events, counted from 0" in beyond.stderr) == (2, True)


def test_eval_explains_a_correlation_and_one_event_for_each_of_its_rules(tmp_path: Path) -> None:
    events: list[object] = [{"@timestamp": f"2026-10-20T00:00:0{second}Z", "f": "a", "u": "x"} for second in (0, 9)]
    result = _eval(tmp_path, RULE + COUNT, [*events, {"f": "b"}], "--explain", "three")
    assert result.exit_code == 0
    assert "    - 2 events within 10 s, not at least 3" in result.output.splitlines()
    told = json.loads(_eval(tmp_path, RULE + COUNT, events, "--explain", "three", "--format", "ndjson").output)
    assert (told["fired"], told["groups"][0]["group"]) == (False, {"u": "x"})
    one = _eval(tmp_path, RULE + COUNT, [*events, {"f": "b"}], "--explain", "three", "--event", "2")
    assert one.output.splitlines()[0] == "✗ t does not match event 2"
    assert _eval(tmp_path, RULE + COUNT, events, "--explain", "three", "--event", "2").exit_code == 2


def test_eval_explains_arrivals_as_long_as_none_is_late(tmp_path: Path) -> None:
    events: list[object] = [{"@timestamp": f"2026-10-20T00:00:0{second}Z", "f": "a", "u": "x"} for second in (0, 9)]
    told = _eval(tmp_path, RULE + COUNT, events, "--explain", "three").output
    assert _eval(tmp_path, RULE + COUNT, events, "--explain", "three", "--lateness", "1s").output == told
    late = _eval(tmp_path, RULE + COUNT, events[::-1], "--explain", "three", "--lateness", "8s")
    assert late.exit_code == 2
    assert "1 events of this rule came later than --lateness, the first at position 1, 9 s behind" in late.stderr
    in_time = _eval(tmp_path, RULE + COUNT, events[::-1], "--explain", "three", "--lateness", "9s")
    assert "2 events within 10 s, not at least 3" in in_time.output
    assert _eval(tmp_path, RULE + COUNT, events[::-1], "--explain", "t", "--lateness", "1s").exit_code == 0


def test_eval_explains_names_and_values_that_would_move_the_cursor(tmp_path: Path) -> None:
    evil = "\x1b[2J\r"
    events: list[object] = [{"@timestamp": "2026-10-20T00:00:00Z", "f": "a", "u": evil}, {"F" + evil: "a"}]
    rules = RULE.replace("title: t", 'title: "T\\e[2J"') + COUNT
    for arguments in (["three"], ["r"], ["r", "--event", "1"]):
        result = _eval(tmp_path, rules, events, "--explain", *arguments)
        assert result.exit_code == 0
        assert "\\x1b[2J" in result.output
        assert all(line.isprintable() for line in result.output.split("\n"))


def test_eval_help_shows_an_explanation_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line.strip() for line in _run("eval", "--help").output.splitlines()]
    [example] = [line for line in lines if line.startswith("isthmus eval") and "--explain" in line]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_rule.yml").write_text(RULE.replace("title: t", "title: My rule"))
    (tmp_path / "events.ndjson").write_text('{"f": "a"}\n' * 3 + '{"f": "b"}\n')
    result = _run(*shlex.split(example)[1:])
    assert (result.exit_code, result.output.splitlines()[0]) == (0, "✓ My rule matches event 0")
