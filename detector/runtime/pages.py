"""Pages that every process of the engine has: `/healthz` and `/metrics`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from aiohttp import web

_json = msgspec.json.Encoder()


class StatusPages:
    """Answers on loopback; asks for no password, so it must not be bound elsewhere without a proxy that does.

    Args:
        health: Returns what is said of the process; `status` is `ok`, or what is wrong.
        metrics: Returns Prometheus' exposition text.
        more: Further routes.
    """

    def __init__(
        self, health: Callable[[], dict[str, Any]], metrics: Callable[[], bytes], more: Sequence[web.RouteDef] = ()
    ) -> None:
        self._health = health
        self._metrics = metrics
        self._more = more
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: The address is taken or not ours.
        """
        app = web.Application(client_max_size=1 << 16)
        app.add_routes([web.get("/healthz", self._healthz), web.get("/metrics", self._metrics_page), *self._more])
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
        return web.Response(body=self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4"})
