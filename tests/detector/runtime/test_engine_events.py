"""What the engine notices comes back in as a record like any other."""

from __future__ import annotations

import json
from pathlib import Path

from connectors.record import Document
from detector.runtime.clock import SteppedClock
from detector.runtime.embedded.engine import EmbeddedEngine
from detector.settings import load_settings

SECOND = 10**9
START_NS = 1_792_450_000 * SECOND
SETTINGS = """
data_dir: data
durable: false
http: {enabled: false}
sources: {site/gateway: {dataset: guacamole.session, site: site, expectation: 60s}}
"""


async def test_a_session_that_nobody_watched_is_a_gap_and_no_alert_about_the_session(tmp_path: Path) -> None:
    (tmp_path / "isthmus.yml").write_text(SETTINGS)
    clock = SteppedClock(START_NS)
    engine = EmbeddedEngine(load_settings(tmp_path / "isthmus.yml"), clock)
    await engine.start()
    line = b'<134>Oct 19 22:46:40 gw guacamole: User "v" connected to connection "JH".'
    await engine.intake.put([Document(source="site/gateway", dataset="guacamole.session", value=line)])
    for minute in range(14):
        clock.set(START_NS + minute * 60 * SECOND)
        await engine.drain()
    records = [logged.entry.record for logged in engine.parts.rawlog.read(0, 100)]
    alerts = engine.parts.store.alerts(limit=10)
    letters = engine.parts.store.count_dead_letters()
    await engine.stop()
    datasets = [record.dataset for record in records]
    assert datasets == ["engine.event", "guacamole.session", "engine.event", "engine.event"]
    told = [json.loads(record.value)["event.action"] for record in records if record.dataset == "engine.event"]
    assert told == ["watch-began", "source-silent", "coverage-gap"]
    assert [json.loads(alert)["event"]["code"] for alert in alerts] == ["CV-901"]
    assert letters == 0


async def test_a_sender_cannot_say_what_the_engine_noticed(tmp_path: Path) -> None:
    (tmp_path / "isthmus.yml").write_text(SETTINGS)
    engine = EmbeddedEngine(load_settings(tmp_path / "isthmus.yml"), SteppedClock(START_NS))
    await engine.start()
    forged = b'{"@timestamp":"2026-10-19T22:46:40Z","event":{"action":"source-restored"}}'
    await engine.intake.put([Document(source="isthmus/engine", dataset="engine.event", value=forged)])
    await engine.drain()
    end, letters = engine.parts.rawlog.end(), engine.parts.store.dead_letters(limit=10)
    await engine.stop()
    assert end == 1  # what the engine itself said when it began
    assert ["only the engine" in stored.letter.error for stored in letters] == [True]
