"""The engine's own pages: `/healthz`, `/metrics` and `/api/alerts`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from detector.runtime.embedded.metrics import EngineMetrics
from detector.runtime.embedded.store import EngineStore

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
"""Alerts of one answer; a reader pages with `before`."""

_json = msgspec.json.Encoder()


class Pages:
    """Answers on loopback; asks for no password, so it must not be bound elsewhere without a proxy that does."""

    def __init__(self, store: EngineStore, metrics: EngineMetrics, health: Callable[[], dict[str, Any]]) -> None:
        self._store = store
        self._metrics = metrics
        self._health = health
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: The address is taken or not ours.
        """
        app = web.Application(client_max_size=1 << 16)
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/metrics", self._metrics_page),
                web.get("/api/alerts", self._alerts),
                web.get("/api/alerts/{id}", self._alert),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the listener."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        health = self._health()
        return web.Response(
            body=_json.encode(health), content_type="application/json", status=200 if health["status"] == "ok" else 503
        )

    async def _metrics_page(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _alerts(self, request: web.Request) -> web.Response:
        try:
            limit = min(int(request.query.get("limit", DEFAULT_LIMIT)), MAX_LIMIT)
            severity = int(request.query.get("min_severity", 0))
        except ValueError:
            return web.Response(status=400, text="limit and min_severity are whole numbers\n")
        documents = self._store.alerts(
            limit=max(limit, 1), min_severity=severity, before=request.query.get("before", "~")
        )
        body = b'{"alerts":[' + b",".join(documents) + b"]}"
        return web.Response(body=body, content_type="application/json")

    async def _alert(self, request: web.Request) -> web.Response:
        document = self._store.alert(request.match_info["id"])
        if document is None:
            return web.Response(status=404, text="no alert of this id\n")
        return web.Response(body=document, content_type="application/json")
