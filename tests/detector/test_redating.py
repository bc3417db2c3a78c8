"""Exported events dated by what is known of clocks afterwards, as `isthmus eval --epochs` does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from detector.__main__ import main
from detector.errors import SettingsError
from detector.redating import redated
from detector.runtime.epochsfile import MAX_STRETCHES, epochs_line, read_epochs
from normalizers.clock.hindsight import Hindsight, Stretch
from normalizers.timestamps import format_utc

NS = 10**9
AT_NS = 1_792_000_000 * NS
KNOWN = Stretch(
    source="site/panel",
    epoch=2,
    received_from_ns=AT_NS,
    received_until_ns=AT_NS + 3_600 * NS,
    device_from_ns=AT_NS - 100 * NS,
    device_until_ns=AT_NS + 3_500 * NS,
    at_ns=AT_NS,
    offset_ns=-100 * NS,
    drift_ppm=0.0,
    uncertainty_ns=10**8,
)
RULES = """
title: opened
name: opened
logsource: {product: x}
detection: {s: {a: open}, condition: s}
---
title: commanded
name: commanded
logsource: {product: x}
detection: {s: {a: command}, condition: s}
---
title: opened after command
name: ordered
correlation: {type: temporal_ordered, rules: [commanded, opened], group-by: [door], timespan: 10s}
"""


def shown(second: int, **more: str | int) -> dict[str, str | int]:
    """Return an event as the engine exported it: with the time that it was given then."""
    stamp = format_utc(AT_NS + second * NS)
    return {"@timestamp": stamp, "convergence.feed.id": "site/panel", **more}


def test_a_sequence_that_a_slow_clock_hid_is_found(tmp_path: Path) -> None:
    """The panel's clock was set back by 100 s, which was not known yet when its event came."""
    door_stamp = shown(20 - 100, a="open", door="d")
    command = {"@timestamp": format_utc(AT_NS + 18 * NS), "convergence.feed.id": "server", "a": "command", "door": "d"}
    (tmp_path / "events.ndjson").write_text("".join(json.dumps(each) + "\n" for each in (door_stamp, command)))
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "epochs.ndjson").write_text(epochs_line(KNOWN) + "\n\n")
    plain = ["eval", "-r", str(tmp_path / "rules.yml"), "-e", str(tmp_path / "events.ndjson"), "--no-cache"]
    before = CliRunner().invoke(main, plain)
    after = CliRunner().invoke(main, [*plain, "--epochs", str(tmp_path / "epochs.ndjson")])
    assert (before.exit_code, after.exit_code) == (0, 0)
    assert "opened after command" not in before.stdout
    assert "opened after command" in after.stdout
    missing = CliRunner().invoke(main, [*plain, "--epochs", str(tmp_path / "none.ndjson")])
    assert missing.exit_code == 2
    assert "isthmus clock epochs" in missing.stderr


def test_the_stamp_and_the_receipt_are_read_where_the_engine_wrote_them() -> None:
    nested = {
        "@timestamp": format_utc(AT_NS),
        "event": {"created": format_utc(AT_NS + 5 * NS), "sequence": 7},
        "convergence": {"feed": {"id": "site/panel"}, "clock": {"device_time": format_utc(AT_NS - 90 * NS)}},
    }
    (event,) = redated([nested], Hindsight([KNOWN]), "@timestamp")
    assert event["@timestamp"] == format_utc(AT_NS + 5 * NS)
    assert event["convergence.clock.device_time"] == format_utc(AT_NS - 90 * NS)
    assert event["convergence.clock.uncertainty_ms"] == pytest.approx(5_100.0)
    assert (event["convergence.clock.epoch"], event["convergence.clock.method"]) == (2, "hindsight")
    assert event["event"] == nested["event"]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"@timestamp": "never", "convergence.feed.id": "site/panel"},
        {"@timestamp": format_utc(AT_NS)},
        {"@timestamp": format_utc(AT_NS), "convergence.feed.id": 7},
        {"@timestamp": format_utc(AT_NS), "convergence.feed.id": "other"},
        {"@timestamp": format_utc(0), "convergence.feed.id": "site/panel", "event.sequence": float("nan")},
        {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {}}}}}}}}}}}}}},
    ],
    ids=lambda each: str(each)[:40],
)
def test_events_of_which_nothing_is_known_stay_as_they_are(event: dict[str, object]) -> None:
    assert redated([event], Hindsight([KNOWN]), "@timestamp") == [event]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nonsense", ":1:"),
        ('{"source": "s"}', "missing"),
        (epochs_line(KNOWN).replace('"cell_ns":1', '"cell_ns":1,"x":1'), "x"),
        (epochs_line(KNOWN).replace('"uncertainty_ns":100000000', '"uncertainty_ns":-1'), "no clock has"),
        (epochs_line(KNOWN).replace('"drift_ppm":0.0', '"drift_ppm":1e999'), ":1:"),
        (" " * 5_000, "longer than"),
    ],
    ids=lambda each: each[:20],
)
def test_a_file_that_is_none_is_refused_with_its_line(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "e.ndjson").write_text(line + "\n")
    with pytest.raises(SettingsError, match=words):
        read_epochs(tmp_path / "e.ndjson")


def test_a_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.runtime.epochsfile.MAX_STRETCHES", 2)
    (tmp_path / "e.ndjson").write_text((epochs_line(KNOWN) + "\n") * 3)
    with pytest.raises(SettingsError, match="more than 2 lines"):
        read_epochs(tmp_path / "e.ndjson")
    assert MAX_STRETCHES > 1_000
