"""Sources fall silent: what the engine alerts on, through all its stages, and again from the raw log alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from connectors.record import Document
from detector.runtime.clock import SteppedClock, SystemClock
from detector.runtime.embedded.engine import EmbeddedEngine
from detector.runtime.embedded.rawlog import RawLog
from detector.runtime.embedded.replaying import replay
from detector.settings import Settings, load_settings
from detector.task import Record

SECOND = 10**9
START_NS = 1_792_450_000 * SECOND
SETTINGS = """
data_dir: data
durable: false
http: {enabled: false}
sources:
  plant/collector: {dataset: linux.auth, site: plant, expectation: 60s}
  plant/windows: {site: plant, expectation: 60s, collector: plant/collector}
  plant/panel: {dataset: uhppote.event, site: plant, expectation: 60s, collector: plant/collector, journal_jump: 0}
  plant/sensor: {dataset: zeek.modbus, site: plant, expectation: 120s, collector: plant/collector}
  plant/video: {dataset: unifi.protect, site: plant, expectation: 60s}
  plant/gateway: {dataset: cisco.asa, site: plant, expectation: 60s}
  plant/zeek: {dataset: zeek.conn, site: plant, expectation: 60s, host: sensor-7}
"""
LINES = {
    "plant/collector": ("linux.auth", b"<13>Oct 20 01:00:00 relay logger: alive"),
    "plant/windows": (
        "windows.security",
        b'{"@timestamp":"2026-10-19T22:46:40Z","winlog":{"channel":"Security","event_id":4672,"computer_name":"a"}}',
    ),
    "plant/panel": (
        "uhppote.event",
        b'{"device-id":7,"event-id":%d,"event-type":2,"event-reason":23,"timestamp":"2026-10-19 22:46:40 UTC"}',
    ),
    "plant/sensor": ("zeek.modbus", b'{"ts":1792450000.1,"id.orig_h":"10.0.0.1","id.resp_h":"10.0.0.2","func":"READ"}'),
    "plant/video": (
        "unifi.protect",
        b'{"type":"add","item":{"id":"1","modelKey":"event","type":"motion","start":1792450000000,"device":"aa"}}',
    ),
    "plant/gateway": ("cisco.asa", b"<166>Oct 20 01:00:00 vpn : %ASA-6-305012: Teardown"),
    "plant/zeek": ("zeek.conn", b'{"ts":1792450000.1,"id.orig_h":"10.0.0.1","id.resp_h":"10.0.0.2"}'),
}


def _document(source: str, number: int) -> Document:
    dataset, line = LINES[source]
    return Document(source=source, dataset=dataset, value=line % number if b"%d" in line else line)


async def _watch(
    folder: Path,
    dies_s: dict[str, int],
    *,
    until_s: int,
    restart_s: int | None = None,
    away_s: int = 0,
    back_s: int | None = None,
) -> list[Any]:
    """Let each source speak every 30 s until it dies, and return the alerts.

    The engine may be restarted once, and be away for a while; what has died may be back from a time on.
    """
    (folder / "isthmus.yml").write_text(SETTINGS)
    settings = load_settings(folder / "isthmus.yml")
    clock = SteppedClock(START_NS)
    engine = EmbeddedEngine(settings, clock)
    await engine.start()
    for second in range(0, until_s, 10):
        clock.set(START_NS + second * SECOND)
        if second == restart_s:
            await engine.stop()
        if restart_s is not None and restart_s <= second < restart_s + away_s:
            continue
        if restart_s is not None and second == restart_s + away_s:
            engine = EmbeddedEngine(settings, clock)
            await engine.start()
        is_back = back_s is not None and second >= back_s
        speaking = [
            source for source in LINES if second % 30 == 0 and (is_back or second < dies_s.get(source, until_s))
        ]
        if speaking:
            await engine.intake.put([_document(source, second // 30) for source in speaking])
        await engine.drain()
    alerts = [json.loads(document) for document in engine.parts.store.alerts(limit=100)]
    await engine.stop()
    return alerts


def _told(alerts: list[Any]) -> list[tuple[str, str]]:
    return sorted((alert["event"]["code"], alert["message"]) for alert in alerts)


async def test_a_lone_silence_is_one_alert_that_says_since_when(tmp_path: Path) -> None:
    alerts = await _watch(tmp_path, {"plant/zeek": 300}, until_s=1_200)
    message = (
        "plant/zeek at plant has said nothing since 2026-10-19T22:51:10Z; 60 s of silence are the most that is expected"
    )
    assert _told(alerts) == [("CV-901", message)]
    assert alerts[0]["host"]["name"] == "sensor-7"
    assert alerts[0]["convergence"]["alert"]["status"] == "active"


async def test_one_that_is_heard_again_updates_its_alert(tmp_path: Path) -> None:
    every = await _watch(tmp_path, {"plant/zeek": 300}, until_s=9_000, back_s=8_400)
    (alert,) = [each for each in every if each["event"]["code"] == "CV-901"]
    assert alert["message"].endswith("most that is expected; heard again at 2026-10-20T01:06:40Z, after 8130 s")
    assert alert["convergence"]["alert"]["status"] == "closed"
    assert alert["event"]["reason"].startswith("over: source restored")
    replayed = replay(_elsewhere(tmp_path, tmp_path / "replay", 3), _recorded(tmp_path), batch=40)
    again = replayed.alerts[alert["event"]["id"]]
    assert again.document["message"] == alert["message"]


async def test_a_silent_collector_is_one_alert_and_not_one_for_each_source_behind_it(tmp_path: Path) -> None:
    behind = {"plant/collector": 300, "plant/windows": 300, "plant/panel": 300, "plant/sensor": 300}
    alerts = await _watch(tmp_path, behind, until_s=1_200)
    message = "Collector plant/collector at plant has said nothing since 2026-10-19T22:51:10Z: what stands behind"
    assert _told(alerts) == [("CV-901", f"{message} it is unseen (3 in the settings)")]


async def test_sources_that_die_behind_a_live_collector_are_one_alert(tmp_path: Path) -> None:
    behind = {"plant/windows": 300, "plant/panel": 310, "plant/sensor": 300}
    alerts = await _watch(tmp_path, behind, until_s=1_200)
    assert [code for code, _ in _told(alerts)] == ["CV-901"]


async def test_a_dark_site_is_the_one_alert_about_all_of_its_sources(tmp_path: Path) -> None:
    alerts = await _watch(tmp_path, dict.fromkeys(LINES, 300), until_s=1_200)
    told = _told(alerts)
    assert [code for code, _ in told] == ["CV-902"]
    assert told[-1][1].startswith("plant has gone dark: sources of several domains fell silent within ten minutes")


async def test_a_gap_in_a_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / "isthmus.yml").write_text(SETTINGS)
    engine = EmbeddedEngine(load_settings(tmp_path / "isthmus.yml"), clock := SteppedClock(START_NS))
    await engine.start()
    for number in (4, 5, 9):
        await engine.intake.put([_document("plant/panel", number)])
        await engine.drain()
    for second in (20, 40):
        clock.set(START_NS + second * SECOND)
        await engine.drain()
    told = _told([json.loads(document) for document in engine.parts.store.alerts(limit=10)])
    await engine.stop()
    message = "The journal 7 of plant/panel has a gap (jump): record 9 came where 6 was due"
    assert told == [("CV-906", message)]


async def test_an_engine_that_was_away_for_hours_tells_of_no_source_that_speaks_again(tmp_path: Path) -> None:
    """Nor does a replay; what falls silent meanwhile is told once the engine has waited for it."""
    every = await _watch(tmp_path, {"plant/zeek": 5_000}, until_s=9_000, restart_s=350, away_s=7_200)
    alerts = [alert for alert in every if alert["event"]["code"] in {"CV-901", "CV-902"}]
    message = (
        "plant/zeek at plant has said nothing since 2026-10-19T22:52:10Z; 60 s of silence are the most that is expected"
    )
    assert _told(alerts) == [("CV-901", message)]
    assert alerts[0]["@timestamp"] >= "2026-10-20T00:53:30"
    for partitions, batch in ((1, 7), (3, 1_000)):
        settings = _elsewhere(tmp_path, tmp_path / f"replay-{partitions}", partitions)
        replayed = replay(settings, _recorded(tmp_path), batch=batch)
        assert set(replayed.alerts) == {alert["event"]["id"] for alert in every}


async def test_a_source_that_was_never_heard_is_told(tmp_path: Path) -> None:
    alerts = await _watch(tmp_path, {"plant/zeek": 0}, until_s=900)
    ((code, message),) = _told(alerts)
    assert (code, message[:66]) == ("CV-901", "plant/zeek at plant has said nothing since 2026-10-19T22:46:40Z; 6")
    replayed = replay(_elsewhere(tmp_path, tmp_path / "replay", 3), _recorded(tmp_path), batch=5)
    assert set(replayed.alerts) == {alert["event"]["id"] for alert in alerts}


async def test_a_restart_and_a_replay_tell_the_same(tmp_path: Path) -> None:
    dies_s = {"plant/zeek": 300, "plant/collector": 600, "plant/windows": 600, "plant/panel": 600}
    (first := tmp_path / "first").mkdir()
    (second := tmp_path / "second").mkdir()
    expected = await _watch(first, dies_s, until_s=1_500)
    again = await _watch(second, dies_s, until_s=1_500, restart_s=350)
    assert _told(again) == _told(expected)
    assert [code for code, _ in _told(expected)] == ["CV-901", "CV-901"]
    for partitions, batch in ((1, 7), (3, 1_000)):
        settings = _elsewhere(first, tmp_path / f"replay-{partitions}", partitions)
        replayed = replay(settings, _recorded(first), batch=batch)
        assert set(replayed.alerts) == {alert["event"]["id"] for alert in expected}


def _recorded(folder: Path) -> list[Record]:
    log = RawLog(folder / "data" / "raw.db", SystemClock(), partitions=2, durable=False)
    records = [logged.entry for logged in log.read(0, 100_000)]
    log.close()
    return records


def _elsewhere(folder: Path, data_dir: Path, partitions: int) -> Settings:
    settings = load_settings(folder / "isthmus.yml")
    return msgspec.structs.replace(settings, data_dir=data_dir, raw_partitions=partitions)
