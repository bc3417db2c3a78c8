"""What the engine notices comes back in as a record like any other."""

from __future__ import annotations

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


async def test_a_session_that_nobody_watched_is_a_gap_and_no_alert(tmp_path: Path) -> None:
    (tmp_path / "isthmus.yml").write_text(SETTINGS)
    clock = SteppedClock(START_NS)
    engine = EmbeddedEngine(load_settings(tmp_path / "isthmus.yml"), clock)
    await engine.start()
    line = b'<134>Oct 19 22:46:40 gw guacamole: User "v" connected to connection "JH".'
    await engine.intake.put([Document(source="site/gateway", dataset="guacamole.session", value=line)])
    for minute in range(10):
        clock.set(START_NS + minute * 60 * SECOND)
        await engine.drain()
    records = [logged.entry.record for logged in engine.parts.rawlog.read(0, 100)]
    alerts = engine.parts.store.alerts(limit=10)
    letters = engine.parts.store.count_dead_letters()
    await engine.stop()
    assert [record.dataset for record in records] == ["guacamole.session", "engine.event"]
    assert b"coverage-gap" in records[1].value
    assert (alerts, letters) == ([], 0)
