"""A poller asks a device over HTTP, hands on its `Date`, and the engine knows the device's clock better."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from email.utils import formatdate
from pathlib import Path

from aiohttp import ClientSession, web

from connectors.http_push import HttpPushListener
from detector.alerting.times import utc
from detector.runtime.clock import SystemClock
from detector.runtime.clockhistory import clock_epochs, clock_history
from detector.runtime.embedded.engine import EmbeddedEngine
from detector.runtime.embedded.rawlog import recorded
from detector.runtime.stages.clocks import read_clocks
from detector.settings import load_settings
from detector.task import ENGINE_SOURCE
from normalizers.clock.policy import NS
from normalizers.clock.summary import summarize

SLOW_S = 93
POLLS = 24
SETTINGS = """
data_dir: data
durable: false
raw_partitions: 1
http: {enabled: false}
inputs: [{type: http, port: 0}]
sources:
  site/told: {dataset: ecs.event, clock: {transport: polled, poll: 10s}}
  site/bare: {dataset: ecs.event, clock: {transport: polled, poll: 10s}}
"""


async def _device() -> tuple[web.AppRunner, str]:
    """Serve the newest event of a device whose clock is slow, on loopback."""

    async def answer(_: web.Request) -> web.Response:
        now_s = time.time() - SLOW_S
        event = {"@timestamp": utc(int(now_s) * NS), "event.action": "door-opened"}
        return web.json_response(event, headers={"Date": formatdate(now_s, usegmt=True)})

    app = web.Application()
    app.add_routes([web.get("/event", answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/event"


async def _poll(session: ClientSession, device: str, engine: str) -> None:
    asked_s = time.time()
    async with session.get(device) as reply:
        body, date = await reply.read(), reply.headers["Date"]
    trip = f"{asked_s:.6f} {time.time():.6f} {date}"
    for source, more in (("site/told", {"X-Isthmus-Round-Trip": trip}), ("site/bare", {})):
        async with session.post(engine, data=body, headers={"X-Isthmus-Source": source} | more) as reply:
            assert reply.status == 202, await reply.text()


async def test_the_date_of_a_polled_device_narrows_its_clock(tmp_path: Path) -> None:
    (tmp_path / "isthmus.yml").write_text(SETTINGS)
    settings = load_settings(tmp_path / "isthmus.yml")
    engine = EmbeddedEngine(settings, SystemClock())
    runner, device = await _device()
    await engine.start()
    listener = next(each for each in engine.connectors if isinstance(each, HttpPushListener))
    async with ClientSession() as session:
        for _ in range(POLLS):
            await _poll(session, device, f"http://127.0.0.1:{listener.port}/v1/records")
            await asyncio.sleep(0.05)
    await engine.drain()
    clocks = read_clocks(engine.parts.store.state("sense", 0))
    await engine.stop()
    await runner.cleanup()
    policy = settings.profiles()["site/told"].clock
    assert policy is not None
    told, bare = (summarize(policy, clocks[source]) for source in ("site/told", "site/bare"))
    assert abs(told.offset_ns + SLOW_S * NS) <= told.uncertainty_ns
    assert told.uncertainty_ns < 0.7 * bare.uncertainty_ns
    # The log holds what was said, so a replay knows as much.
    log = recorded(tmp_path / "data" / "raw.db", SystemClock(), partitions=1)
    kept = [each.record for each in log if each.record.source != ENGINE_SOURCE]
    assert {each.source for each in kept if each.round_trip is not None} == {"site/told"}
    assert Counter(each.source for each in kept) == {"site/told": POLLS, "site/bare": POLLS}
    profiles = settings.profiles()
    rows = {each.source: each for each in clock_epochs(kept, profiles.__getitem__)}
    assert rows["site/told"].uncertainty_ns == told.uncertainty_ns < rows["site/bare"].uncertainty_ns
    plotted = clock_history([each for each in kept if each.source == "site/told"], profiles["site/told"])
    assert plotted.points[-1].uncertainty_ns == told.uncertainty_ns
    assert json.loads(kept[0].value)["event.action"] == "door-opened"
