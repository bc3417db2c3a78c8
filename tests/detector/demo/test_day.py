"""The day at the plant, alert for alert; and the same records in other batches and partitions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession
from click.testing import CliRunner

from detector.__main__ import main
from detector.alert import Alert
from detector.demo.player import Player, Summary
from detector.demo.script import load_truth
from detector.demo.setup import lay_out
from detector.demo.truth import differences
from detector.runtime.clock import SystemClock
from detector.runtime.embedded.rawlog import RawLog
from detector.runtime.embedded.replaying import replay
from detector.settings import load_settings
from detector.task import Record
from tests.detector.alerting.contract import faults


class Played(msgspec.Struct):
    """A day that was played once for all tests."""

    folder: Path
    summary: Summary
    pages: dict[str, tuple[int, str]]

    def raw(self) -> Iterator[Record]:
        """Yield its raw log."""
        log = RawLog(self.folder / "data" / "raw.db", SystemClock(), partitions=2, durable=False)
        yield from [logged.entry for logged in log.read(0, 1_000_000)]
        log.close()


async def _play(folder: Path) -> Played:
    settings, inbox = lay_out(folder)
    player = Player(settings, inbox)
    summary = await player.play()
    pages = dict[str, tuple[int, str]]()
    async with ClientSession() as session:
        for path in ("/healthz", "/metrics", "/api/alerts", "/api/alerts/none"):
            async with session.get(f"http://127.0.0.1:{player.engine.port}{path}") as reply:
                pages[path] = (reply.status, await reply.text())
    await player.engine.stop()
    return Played(folder, summary, pages)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return asyncio.run(_play(tmp_path_factory.mktemp("plant")))


def test_every_alert_is_as_scripted_and_no_other(played: Played) -> None:
    assert differences(load_truth(), [alert.document for alert in played.summary.alerts.values()]) == []
    assert played.summary.dead_letters == 0


def test_every_alert_is_as_the_contract_says(played: Played) -> None:
    """Subscribers are promised `docs/reference/alert.schema.json`; no field is left out of it."""
    found = {alert.id: faults(alert.document) for alert in played.summary.alerts.values()}
    assert len(found) >= 10
    assert {alert_id: each for alert_id, each in found.items() if each} == {}
    assert played.summary.records > 5_000


def test_the_pages_answer(played: Played) -> None:
    status, body = played.pages["/healthz"]
    assert (status, json.loads(body)["status"]) == (200, "ok")
    assert "isthmus_records_total" in played.pages["/metrics"][1]
    alerts = json.loads(played.pages["/api/alerts"][1])["alerts"]
    assert len(alerts) == len(played.summary.alerts)
    assert played.pages["/api/alerts/none"][0] == 404


def _who(config: Path, *arguments: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(main, ["who", "-c", str(config), "--json", "--at", *arguments])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_who_is_where_is_what_the_doors_told(played: Played) -> None:
    config = played.folder / "isthmus.yml"
    morning = {each["person"]: each for each in _who(config, "2026-10-20T10:30:00+02:00")}
    assert len(morning) == 30
    novak, brandt = morning["p-novak"], morning["p-brandt"]
    assert (novak["name"], novak["state"], novak["site"], novak["by"]) == (
        "Petra Novak", "inside", "plant-a", "Main turnstile 1",
    )  # fmt: skip
    assert (novak["since"], novak["sure"], novak["why"]) == ("2026-10-20T05:50:00Z", "sure", None)
    assert (brandt["place"], brandt["by"], brandt["sure"]) == ("Engineering room", "ews-01", "likely")
    assert {each["sure"] for each in morning.values() if each["site"] == "plant-b"} == {"likely"}
    evening = {each["person"]: each["state"] for each in _who(config, "2026-10-20T23:30:00+02:00", "--all")}
    assert (evening["p-adler"], evening["p-novak"]) == ("outside", "unknown")
    assert [each["person"] for each in _who(config, "2026-10-20T10:30:00+02:00", "NOVAK")] == ["p-novak"]


@pytest.mark.parametrize(("partitions", "batch"), [(1, 2_000), (2, 97), (4, 500)])
def test_partitions_and_batches_do_not_change_the_alerts(
    played: Played, tmp_path: Path, partitions: int, batch: int
) -> None:
    settings = load_settings(played.folder / "isthmus.yml")
    settings = msgspec.structs.replace(settings, data_dir=tmp_path, raw_partitions=partitions)
    again = replay(settings, played.raw(), batch=batch).alerts
    config = tmp_path / "isthmus.yml"
    config.write_text(f"data_dir: {tmp_path}\n")
    for moment in ("2026-10-20T10:30:00+02:00", "2026-10-20T17:00:00+02:00"):
        assert _who(config, moment, "--all") == _who(played.folder / "isthmus.yml", moment, "--all")
    assert set(again) == set(played.summary.alerts)
    assert _groups(again) == _groups(played.summary.alerts)


def _groups(alerts: dict[str, Alert]) -> dict[str, str]:
    return {key: alert.document["convergence"]["alert"]["group_id"] for key, alert in alerts.items()}


def _document(played: Played, code: str) -> dict[str, object]:
    found = [alert.document for alert in played.summary.alerts.values() if alert.document["event"]["code"] == code]
    assert found
    return found[0]


def test_an_alert_tells_an_analyst_all_there_is(played: Played) -> None:
    document = _document(played, "CV-802")
    text = json.dumps(document)
    convergence = document["convergence"]
    assert isinstance(convergence, dict)
    assert [step["rule"] for step in convergence["evidence"]] == ["camera_lost", "door_forced"]
    assert convergence["evidence"][0]["local_time"] == "2026-10-20T02:50:15+02:00"
    assert convergence["evidence"][0]["device_time"].startswith("2026-10-20T00:50:15")
    assert convergence["video"][0]["camera"] == "CAM-A-12"
    assert convergence["video"][0]["kept_until"].startswith("2026-11-19")
    assert convergence["response"]["owner"] == {"team": "Physical security control room", "phone": "+49 30 5550 120"}
    assert convergence["response"]["playbook"]
    assert convergence["earlier"]
    assert "02:50:15 +02:00 (00:50:15Z)" in convergence["timeline"]
    assert "T1685" in text
    assert "null" not in convergence["alert"]["group_id"]


def test_a_controllers_change_names_who_sat_at_the_station(played: Played) -> None:
    document = _document(played, "CV-402")
    convergence = document["convergence"]
    assert isinstance(convergence, dict)
    assert "p-weber" in convergence["parties"]["persons"]
    assert convergence["sequence"]["order_confidence"] == "certain"
    assert "Anna Weber" in str(document["message"])


def test_a_wrong_clock_is_learned_corrected_and_shown(played: Played) -> None:
    """Nobody told the engine that the turnstile is three minutes slow."""
    documents = [a.document for a in played.summary.alerts.values() if "Ines Costa" in a.document["message"]]
    step = documents[0]["convergence"]["evidence"][0]
    assert (step["time"][:19], step["device_time"][:19]) == ("2026-10-20T05:02:08", "2026-10-20T04:59:08")
    assert step["clock_status"] == "estimated"
    assert abs(step["clock_offset_ms"] + 180_000) < 500
    assert step["uncertainty_ms"] < 2_000
