"""Syslog over TCP and TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from connectors.errors import SourceUnavailableError
from connectors.framing.syslog_frames import Frame, SyslogFrames
from connectors.intake import Intake
from connectors.record import Document
from connectors.senders import SenderTable
from connectors.settings import SyslogTcp
from connectors.tls import listener_context

READ_BYTES = 256 << 10
"""What one read of a connection takes; the next one waits until it is durable, which slows the sender down."""

_log = structlog.get_logger(__name__)


class SyslogTcpListener:
    """Listens on a TCP port. A connection's bytes are read only as fast as they can be appended."""

    def __init__(self, settings: SyslogTcp, intake: Intake) -> None:
        self._settings = settings
        self._intake = intake
        self._senders = SenderTable(settings.source, settings.dataset, settings.senders)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        """Bind and begin."""
        self._server = await asyncio.start_server(
            self._accept,
            self._settings.host,
            self._settings.port,
            limit=READ_BYTES,
            ssl=listener_context(self._settings.tls),
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        peer = str(writer.get_extra_info("peername")[0])
        if task is None or len(self._connections) >= self._settings.max_connections:
            _log.warning("connection_refused", peer=peer, connections=len(self._connections))
            writer.close()
            return
        self._connections.add(task)
        try:
            await self._serve(peer, reader)
        except (ConnectionError, TimeoutError, SourceUnavailableError) as error:
            _log.info("connection_ended", peer=peer, reason=repr(error))
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, peer: str, reader: asyncio.StreamReader) -> None:
        frames = SyslogFrames(self._settings.max_message_bytes)
        while data := await asyncio.wait_for(reader.read(READ_BYTES), self._settings.idle_s):
            await self._put(peer, frames.feed(data))
        if last := frames.close():
            await self._put(peer, [last])

    async def _put(self, peer: str, frames: Iterable[Frame]) -> None:
        documents = list[Document]()
        for frame in frames:
            if frame.rejected is None:
                documents.append(self._senders.document(peer, frame.value))
            else:
                sender = self._senders.of(peer)
                await self._intake.reject(sender.source, sender.dataset, frame.value, frame.rejected)
        if documents:
            await self._intake.put(documents)
