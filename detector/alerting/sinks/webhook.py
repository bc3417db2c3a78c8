"""Alerts as signed HTTP requests."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import ssl
from collections.abc import Callable, Sequence

import aiohttp
import msgspec

from connectors.address import is_safe_url
from detector.alert import Alert
from detector.alerting.sinks.delivery import Outcome, one_by_one
from detector.alerting.sinks.settings import WebhookSink
from detector.errors import SettingsError, SinkRejectedError, SinkUnavailableError

SIGNATURE = "X-Isthmus-Signature"
REVISION = "X-Isthmus-Revision"
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
_TOO_MANY, _SERVER_ERROR, _CLIENT_ERROR, _TIMEOUT = 429, 500, 400, 408


class Webhook:
    """Posts each revision until it is taken.

    The signature is ``t=<unix seconds>,v1=<hex>``: HMAC-SHA256 over ``<t>.<body>``. ``Idempotency-Key`` is the
    alert's id and revision, so that a receiver can drop a repeat.

    Raises:
        SettingsError: The address is not safe, or the secret cannot be read.
    """

    def __init__(
        self, settings: WebhookSink, *, now_s: Callable[[], float], draw: Callable[[], float] = random.random
    ) -> None:
        if not is_safe_url(settings.url):
            raise SettingsError(f"webhook url {settings.url!r}: use https (plain http only on loopback)")
        self._settings = settings
        self._secret = _secret(settings)
        self._now_s = now_s
        self._draw = draw
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, alerts: Sequence[Alert]) -> Outcome:
        """Post a request a revision, with growing pauses between attempts."""
        return await one_by_one(alerts, self._post_until_taken)

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post_until_taken(self, alert: Alert) -> None:
        body = msgspec.json.encode(alert.document)
        problem = ""
        for attempt in range(max(1, self._settings.attempts)):
            try:
                wait_s = await self._post(alert, body)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                problem, wait_s = repr(error), None
            else:
                if wait_s is None:
                    return
                problem = "the receiver is overloaded"
            pause_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt) * self._draw()
            if attempt + 1 < self._settings.attempts:
                await asyncio.sleep(max(pause_s, min(wait_s or 0.0, LONGEST_WAIT_S)))
        raise SinkUnavailableError(f"{self._settings.url}: {problem} after {self._settings.attempts} attempts")

    async def _post(self, alert: Alert, body: bytes) -> float | None:
        """Post once; returns None when it was taken, else how long the receiver asks to wait."""
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": f"{alert.id}/{alert.revision}",
            REVISION: str(alert.revision),
        }
        if self._secret is not None:
            stamp = str(int(self._now_s()))
            headers[SIGNATURE] = f"t={stamp},v1={sign(self._secret, stamp, body)}"
        async with self._open().post(self._settings.url, data=body, headers=headers, allow_redirects=False) as reply:
            if reply.status in {_TOO_MANY, _TIMEOUT} or reply.status >= _SERVER_ERROR:
                return _seconds(reply.headers.get("Retry-After"))
            if reply.status >= _CLIENT_ERROR or reply.status >= 300:
                text = (await reply.content.read(200)).decode("utf-8", "replace")
                raise SinkRejectedError(f"{self._settings.url}: HTTP {reply.status} {text}")
        return None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.create_default_context(cafile=self._settings.ca_file)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=1, ssl=context),
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout / 1e9),
            )
        return self._session


def sign(secret: bytes, stamp: str, body: bytes) -> str:
    """Return the hex HMAC-SHA256 of ``<stamp>.<body>``."""
    return hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdigit() and len(text) < 6 else 0.0


def _secret(settings: WebhookSink) -> bytes | None:
    if settings.secret_file is None:
        return None
    try:
        secret = settings.secret_file.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"webhook secret_file {settings.secret_file}: {error.strerror}") from error
    if not secret:
        raise SettingsError(f"webhook secret_file {settings.secret_file} is empty")
    return secret
