"""Syslog over UDP: one datagram, one message."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import structlog

from connectors.errors import SourceUnavailableError
from connectors.intake import Intake
from connectors.reading_task import ReadingTask
from connectors.record import Document
from connectors.senders import SenderTable
from connectors.settings import SyslogUdp

MAX_WAITING = 10_000
"""Datagrams that wait for the intake; UDP cannot be slowed down, so above it they are dropped and counted."""

_log = structlog.get_logger(__name__)


class SyslogUdpListener(asyncio.DatagramProtocol):
    """Listens on a UDP port. What arrives faster than it can be appended is dropped: use TCP where that matters."""

    def __init__(self, settings: SyslogUdp, intake: Intake) -> None:
        self._settings = settings
        self._intake = intake
        self._senders = SenderTable(settings.source, settings.dataset, settings.senders)
        self._waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(MAX_WAITING)
        self._transport: asyncio.DatagramTransport | None = None
        self._reading = ReadingTask()
        self.port = 0
        self.dropped = 0

    async def start(self) -> None:
        """Bind and begin."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(self._settings.host, self._settings.port)
        )
        self.port = self._transport.get_extra_info("sockname")[1]
        self._reading.start(self._run(), "syslog udp")

    async def stop(self) -> None:
        """Unbind, put what arrived, and end."""
        if self._transport is not None:
            self._transport.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._waiting.join(), timeout=2.0)
        await self._reading.stop()

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Take one datagram."""
        try:
            self._waiting.put_nowait((str(addr[0]), data))
        except asyncio.QueueFull:
            self.dropped += 1
            if self.dropped.bit_count() == 1:  # at 1, 2, 4, 8 …: a flood does not flood the log
                _log.error("datagrams_dropped", port=self.port, dropped=self.dropped, remedy="send over TCP")

    async def _run(self) -> None:
        while True:
            taken = [await self._waiting.get()]
            while len(taken) < 1_000 and not self._waiting.empty():
                taken.append(self._waiting.get_nowait())
            try:
                await self._put(taken)
            except SourceUnavailableError as error:
                self.dropped += len(taken)
                _log.error("datagrams_dropped", port=self.port, dropped=self.dropped, error=str(error))
            finally:
                for _ in taken:
                    self._waiting.task_done()

    async def _put(self, taken: list[tuple[str, bytes]]) -> None:
        documents = list[Document]()
        for address, data in taken:
            value = data.rstrip(b"\r\n\x00")
            if len(value) > self._settings.max_message_bytes:
                sender = self._senders.of(address)
                await self._intake.reject(sender.source, sender.dataset, value, f"datagram of {len(value)} bytes")
            elif value:
                documents.append(self._senders.document(address, value))
        if documents:
            await self._intake.put(documents)
