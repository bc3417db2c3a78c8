"""HTTP push: `POST /v1/records` with one JSON object, an array, NDJSON, or a raw body such as ONVIF XML."""

from __future__ import annotations

import asyncio
import hmac
import zlib
from collections.abc import Sequence

from aiohttp import web

from connectors.errors import SourceUnavailableError
from connectors.framing.cut import cut_json
from connectors.intake import Intake
from connectors.record import Document
from connectors.round_trip import RoundTrip, parse_round_trip
from connectors.settings import HttpPush
from connectors.tls import listener_context

MAX_RECORDS = 50_000
"""Records of one request; more have to come in several."""

PATIENCE_S = 10.0
"""After it whoever waits for an answer hears that the disk does not follow; with an Idempotency-Key nothing of what it
sends again is taken twice."""

_RETRY_AFTER_S = "5"


class BadRequestError(Exception):
    """The request cannot be taken; says where and why."""


class HttpPushListener:
    """Answers 202 once every record of a request is durable."""

    def __init__(self, settings: HttpPush, intake: Intake) -> None:
        self._settings = settings
        self._intake = intake
        self._token = settings.token()
        self._places = asyncio.Semaphore(settings.max_requests)
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Bind and begin."""
        app = web.Application(client_max_size=self._settings.max_body_bytes)
        app.add_routes([web.post("/v1/records", self._post)])
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner,
            self._settings.host,
            self._settings.port,
            ssl_context=listener_context(self._settings.tls),
        )
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and end open requests."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _post(self, request: web.Request) -> web.Response:
        if not self._is_allowed(request):
            return _answer(401, "a bearer token is needed: Authorization: Bearer <token>")
        if self._places.locked():
            return _answer(429, f"{self._settings.max_requests} requests are being taken", retry=True)
        async with self._places:
            return await self._take(request)

    async def _take(self, request: web.Request) -> web.Response:
        try:
            body = self._unpacked(request, await request.read())
            documents = self._documents(request, body)
            await asyncio.wait_for(self._intake.put(documents), PATIENCE_S)
        except TimeoutError:
            return _answer(503, f"not on disk after {PATIENCE_S:.0f} s; send again later", retry=True)
        except web.HTTPRequestEntityTooLarge:
            return _answer(413, f"the body is larger than {self._settings.max_body_bytes} bytes")
        except BadRequestError as error:
            return _answer(400, str(error))
        except SourceUnavailableError as error:
            return _answer(503, str(error), retry=True)
        return web.json_response({"accepted": len(documents)}, status=202)

    def _is_allowed(self, request: web.Request) -> bool:
        if self._token is None:
            return True
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _unpacked(self, request: web.Request, body: bytes) -> bytes:
        coding = request.headers.get("Content-Encoding", "identity").lower()
        if coding == "identity":
            return body
        if coding not in ("gzip", "deflate"):
            raise BadRequestError(f"Content-Encoding {coding!r} is not taken; use gzip or none")
        limit = self._settings.max_body_bytes
        unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        try:
            plain = unpack.decompress(body, limit + 1)
        except zlib.error as error:
            raise BadRequestError(f"the body is not {coding}: {error}") from error
        if len(plain) > limit:
            raise web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=len(plain))
        if not unpack.eof:
            raise BadRequestError(f"the {coding} body ends early")
        return plain

    def _documents(self, request: web.Request, body: bytes) -> Sequence[Document]:
        source = request.headers.get("X-Isthmus-Source", self._settings.source)
        dataset = request.headers.get("X-Isthmus-Dataset", self._settings.dataset)
        if not source:
            source = f"http/{request.remote}"
        if len(source) > 255 or len(dataset) > 255:
            raise BadRequestError("X-Isthmus-Source and X-Isthmus-Dataset have at most 255 characters")
        values = _cut_body(request.content_type, body)
        if len(values) > MAX_RECORDS:
            raise BadRequestError(f"{len(values)} records in one request; send at most {MAX_RECORDS}")
        key, trip = request.headers.get("Idempotency-Key"), _round_trip(request)
        keys = [f"{key}/{index}" if key else None for index in range(len(values))]
        return [
            Document(source=source, dataset=dataset, value=value, key=each, round_trip=trip)
            for value, each in zip(values, keys, strict=True)
        ]


def _round_trip(request: web.Request) -> RoundTrip | None:
    """Read what the sender, which polls a device, saw of that device's clock."""
    header = request.headers.get("X-Isthmus-Round-Trip")
    try:
        return None if header is None else parse_round_trip(header)
    except ValueError as error:
        raise BadRequestError(f"X-Isthmus-Round-Trip: {error}") from error


def _cut_body(content_type: str, body: bytes) -> list[bytes]:
    text = body.strip()
    if not text:
        raise BadRequestError("the body is empty")
    if "ndjson" in content_type or "jsonlines" in content_type:
        return [line for line in (part.strip() for part in text.split(b"\n")) if line]
    if not text.startswith((b"{", b"[")):
        return [text]
    if text.startswith(b"{") and b"\n{" in text:
        # NDJSON sent as application/json: what curl and several shippers do.
        return [line for line in (part.strip() for part in text.split(b"\n")) if line]
    cuts = list(cut_json(text))
    for cut in cuts:
        if cut.rejected is not None:
            raise BadRequestError(cut.rejected)
    return [cut.value for cut in cuts]


def _answer(status: int, text: str, *, retry: bool = False) -> web.Response:
    headers = {"Retry-After": _RETRY_AFTER_S} if retry else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return web.json_response({"error": text}, status=status, headers=headers)
