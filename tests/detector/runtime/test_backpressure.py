"""A sink that takes nothing: the raw log keeps what comes, and nothing else grows; then everything is delivered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from connectors.http_push import HttpPushListener
from detector.alerting.sinks import outage
from detector.runtime.clock import SystemClock
from detector.runtime.embedded import engine
from detector.runtime.embedded.engine import EmbeddedEngine
from detector.settings import load_settings
from tests.detector.runtime.engine_process import RULES

LIMIT = 20


class Receiver:
    """Refuses until it is told to take."""

    def __init__(self) -> None:
        self.open = False
        self.keys: list[str] = []

    async def take(self, request: web.Request) -> web.Response:
        """Answer one delivery."""
        await request.read()
        if not self.open:
            return web.Response(status=503)
        self.keys.append(request.headers["Idempotency-Key"])
        return web.Response()


async def _listen(receiver: Receiver) -> tuple[web.AppRunner, int]:
    app = web.Application()
    app.add_routes([web.post("/", receiver.take)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, int(runner.addresses[0][1])


async def test_a_slow_sink_stops_the_reading_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_BACKLOG", LIMIT)
    monkeypatch.setattr(engine, "_PRUNE_S", 0.02)
    monkeypatch.setattr(outage, "LONGEST_WAIT_S", 0.05)
    receiver = Receiver()
    runner, port = await _listen(receiver)
    (tmp_path / "rules.yml").write_text(RULES.lstrip())
    (tmp_path / "isthmus.yml").write_text(
        "data_dir: data\nrules: [rules.yml]\ndurable: false\nhttp: {enabled: false}\ninputs: [{type: http, port: 0}]\n"
        f"sinks: [{{type: webhook, url: 'http://127.0.0.1:{port}/', attempts: 1}}]\n"
    )
    running = EmbeddedEngine(load_settings(tmp_path / "isthmus.yml"), SystemClock())
    await running.start()
    listener = next(each for each in running.connectors if isinstance(each, HttpPushListener))
    async with ClientSession() as session:
        for number in range(60):
            kind = '"type":{"id":"1","name":"Forced door"}'
            body = f'{{"time":"2026-10-20T00:00:00Z",{kind},"source":{{"name":"d{number}"}}}}'
            url = f"http://127.0.0.1:{listener.port}/v1/records"
            headers = {"X-Isthmus-Source": "s", "X-Isthmus-Dataset": "gallagher.event"}
            async with session.post(url, data=body.encode(), headers=headers) as reply:
                assert reply.status == 202
            await asyncio.sleep(0.02)
    assert running.parts.rawlog.end() == 61  # with the engine's own first word
    held = running.health()
    assert held["sink_backlog"] < 60
    assert held["lag"] > 0
    assert "unavailable" in held["status"]
    receiver.open = True
    for _ in range(500):
        if len(receiver.keys) >= 60:
            break
        await asyncio.sleep(0.02)
    await running.stop()
    await runner.cleanup()
    assert len(set(receiver.keys)) == 60
