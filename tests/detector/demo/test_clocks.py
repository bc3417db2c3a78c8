"""A clock that is set back while the plant runs: found, told, corrected, and tied to what happened behind it."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from click.testing import CliRunner

from detector.__main__ import main
from detector.alert import Alert
from detector.demo.player import Player
from detector.demo.script import Sending, midnight_ns, stamps
from detector.demo.setup import lay_out

NS = 10**9
LISBON = ZoneInfo("Europe/Lisbon")
STEP_S = 30_000
SIZE_S = 240


def _sendings(start_ns: int) -> Iterator[Sending]:
    """Yield a controller's day: set back by four minutes at 08:20, and a door opened by command half an hour later."""
    draw = random.Random(6)  # noqa: S311  a day, not a secret
    for number in range(400):
        second = draw.random() * 40_000
        slow_s = 180 + (SIZE_S if second > STEP_S else 0)
        yield _event(start_ns, second, slow_s, {"event-id": number, "event-reason": 23})
    yield _event(start_ns, STEP_S + 1_800, 180 + SIZE_S, {"event-id": 999, "event-reason": 44})


def _event(start_ns: int, second: float, slow_s: float, more: dict[str, int]) -> Sending:
    time_ns = start_ns + round(second * NS)
    body = {"device-id": 405419896, "event-type": 2, "door-id": 1} | more
    stamp = stamps(time_ns - round(slow_s * NS), LISBON)["abbr"]
    return Sending(time_ns + 30_000_000, "turnstile", json.dumps(body | {"timestamp": stamp}).encode())


def _ticket(start_ns: int, scope: str) -> Iterator[Sending]:
    """Yield a change that lets the turnstile's clock be set, read by the feed ten minutes after the step."""
    utc = [stamps(start_ns + second * NS, LISBON)["utc_plain"] for second in (20_000, STEP_S - 600, STEP_S + 600)]
    change = {"sys_id": "chg-9", "type": "normal", "state": "-1", "approval": "approved", "requested_by": "p-brandt"}
    rows = [
        change | {"cmdb_ci": scope, "start_date": utc[1], "end_date": utc[2], "sys_updated_on": utc[0]},
        {"sysapproval": "chg-9", "approver": "p-ilves", "state": "approved", "sys_updated_on": utc[0]},
    ]
    yield Sending(start_ns + (STEP_S + 600) * NS, "tickets", json.dumps(rows).encode())
    for second in range(600, 45_000, 600):
        marker = {"table": "approvals", "current_to": stamps(start_ns + second * NS, LISBON)["utc"]}
        yield Sending(start_ns + (second + 4) * NS, "marker", json.dumps(marker).encode())


async def _play(folder: Path, partitions: int, more: Iterable[Sending] = ()) -> dict[str, Alert]:
    settings, inbox = lay_out(folder)
    settings = msgspec.structs.replace(settings, raw_partitions=partitions)
    player = Player(settings, inbox, sendings=sorted([*_sendings(midnight_ns()), *more]))
    summary = await player.play()
    await player.engine.stop()
    # The gateway, of which heartbeats are expected, says nothing that day.
    return {key: alert for key, alert in summary.alerts.items() if alert.document["event"]["code"] != "CV-901"}


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_clock_set_back_is_an_alert_and_so_is_what_it_hides(tmp_path: Path, partitions: int) -> None:
    alerts = asyncio.run(_play(tmp_path, partitions))
    documents = {alert.document["event"]["code"]: alert.document for alert in alerts.values()}
    assert set(documents) == {"CV-903", "CV-904"}
    assert len(alerts) == 2
    assert "plant-b/turnstile" in documents["CV-903"]["message"]
    assert "door-unlocked-command" in documents["CV-904"]["message"]
    action = next(each for each in documents["CV-904"]["convergence"]["evidence"] if each["rule"] == "hidden_action")
    happened = stamps(midnight_ns() + (STEP_S + 1_800) * NS, LISBON)["utc"]
    assert action["time"][:19] == happened[:19]
    assert abs(action["clock_offset_ms"] + (180 + SIZE_S) * 1_000) < 1_000
    assert action["clock_status"] == "stepped"
    _check_commands(tmp_path)


@pytest.mark.parametrize(
    ("scope", "codes"), [("plant-b/turnstile", set()), ("plant-a/pacs", {"CV-903", "CV-904"})], ids=["named", "other"]
)
def test_a_clock_set_under_a_ticket_is_no_alert(tmp_path: Path, scope: str, codes: set[str]) -> None:
    """The ticket is learned only after the step is found: the match waits for its feed."""
    alerts = asyncio.run(_play(tmp_path, 2, _ticket(midnight_ns(), scope)))
    assert {alert.document["event"]["code"] for alert in alerts.values()} == codes
    assert all("feed" not in alert.document["message"] for alert in alerts.values())


def _check_commands(folder: Path) -> None:
    """The commands show what the alerts rest on."""
    config = str(folder / "isthmus.yml")
    shown = CliRunner().invoke(main, ["clock", "-c", config])
    assert shown.exit_code == 0
    line = next(each for each in shown.stdout.splitlines() if each.startswith("plant-b/turnstile"))
    assert " estimated " in line
    assert " -4" in line
    assert "clock-recovered" in line
    listed = CliRunner().invoke(main, ["clock", "-c", config, "--format", "json"])
    rows = [json.loads(row) for row in listed.stdout.splitlines()]
    known = {row["source"]: row for row in rows}
    assert abs(known["plant-b/turnstile"]["offset_ns"] + (180 + SIZE_S) * NS) < NS
    assert known["plant-a/vpn"]["status"] == "fixed"
    assert known["corp/hr"]["status"] == "unknown"
    pictures = [folder / "a.svg", folder / "b.svg", folder / "c.png"]
    for picture in pictures:
        drawn = CliRunner().invoke(main, ["clock", "-c", config, "plot", "plant-b/turnstile", "-o", str(picture)])
        assert drawn.exit_code == 0, drawn.output
        assert "401 events of plant-b/turnstile, 1 steps" in drawn.stderr
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert pictures[2].read_bytes().startswith(b"\x89PNG")
    _check_epochs(folder, config)
    for wrong in (["plant-a/vpn"], ["nobody"], ["plant-b/turnstile", "-o", "x.pdf"]):
        assert CliRunner().invoke(main, ["clock", "-c", config, "plot", *wrong]).exit_code in {1, 2}


def _check_epochs(folder: Path, config: str) -> None:
    """What is known of the clock afterwards dates the events of a backtest."""
    epochs, raw = folder / "epochs.ndjson", str(folder / "data" / "raw.db")
    written = CliRunner().invoke(main, ["clock", "-c", config, "epochs", "-o", str(epochs)])
    assert written.exit_code == 0, written.output
    assert "3 stretches of 1 clocks" in written.stderr
    rows = [json.loads(row) for row in epochs.read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [0, 0, 1]
    assert [round(row["offset_ns"] / NS) for row in rows] == [-180, -180, -180 - SIZE_S]
    assert [row["sequence_from"] is None for row in rows] == [False] * 3
    again = CliRunner().invoke(main, ["replay", "-c", config, "--epochs", str(epochs), raw])
    assert again.exit_code == 0, again.output
    assert "plant-b/turnstile" in again.stdout
    none = CliRunner().invoke(main, ["clock", "-c", config, "epochs", "plant-a/vpn"])
    assert (none.exit_code, none.stdout) == (1, "")
    epochs.write_text('{"source": 1}\n')
    refused = CliRunner().invoke(main, ["replay", "-c", config, "--epochs", str(epochs), raw])
    assert refused.exit_code == 2
    assert "epochs.ndjson:1:" in refused.stderr


def test_without_matplotlib_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "detector.cli.clockpicture", None)
    refused = CliRunner().invoke(main, ["clock", "plot", "plant-b/turnstile"])
    assert refused.exit_code == 1
    assert "install isthmus[plot]" in refused.stderr


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "isthmus.yml").write_text("data_dir: data\n")
    refused = CliRunner().invoke(main, ["clock", "-c", str(tmp_path / "isthmus.yml")])
    assert refused.exit_code == 2
    assert "has not run" in refused.stderr
