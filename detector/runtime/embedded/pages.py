"""The embedded engine's pages: `/healthz`, `/metrics` and `/api/alerts`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from detector.runtime.embedded.metrics import EngineMetrics
from detector.runtime.embedded.store import EngineStore
from detector.runtime.pages import StatusPages

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
"""Alerts of one answer; a reader pages with `before`."""


class Pages(StatusPages):
    """Also gives out the alerts of the engine's own store."""

    def __init__(self, store: EngineStore, metrics: EngineMetrics, health: Callable[[], dict[str, Any]]) -> None:
        alerts = [web.get("/api/alerts", self._alerts), web.get("/api/alerts/{id}", self._alert)]
        super().__init__(health, metrics.text, alerts)
        self._store = store

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
