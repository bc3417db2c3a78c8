"""Sends records as the plant's systems would: over HTTP, syslog and files, into the engine's own listeners."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import aiohttp

from connectors.http_push import HttpPushListener
from connectors.intake import Connector
from connectors.syslog_tcp import SyslogTcpListener
from connectors.syslog_udp import SyslogUdpListener

HTTP = {
    "pacs": ("plant-a/pacs", "gallagher.event"),
    "video": ("plant-a/video", "unifi.protect"),
    "camera": ("plant-b/video", "onvif.event"),
    "windows": ("plant-a/windows", ""),
    "sensor": ("plant-a/sensor", "nozomi.alert"),
    "modbus": ("plant-a/modbus", "zeek.modbus"),
    "pam": ("plant-a/pam", "cyberark.psm"),
    "turnstile": ("plant-b/turnstile", "uhppote.event"),
    "tickets": ("corp/servicenow", "servicenow.change"),
    "marker": ("corp/servicenow", "context.marker"),
}
"""Channel to source and dataset; an empty dataset is left to recognition."""

UDP = ("vpn", "bastion")
FOLDERS = ("onguard", "hr")


class Channels:
    """One sender for each channel.

    Args:
        connectors: The engine's inputs, listening.
        inbox: Folder in which its file inputs look.
    """

    def __init__(self, connectors: Sequence[Connector], inbox: Path) -> None:
        self._inbox = inbox
        self._http_port = next(each.port for each in connectors if isinstance(each, HttpPushListener))
        self._tcp_port = next(each.port for each in connectors if isinstance(each, SyslogTcpListener))
        self._udp_ports = [each.port for each in connectors if isinstance(each, SyslogUdpListener)]
        self._files = 0

    async def __aenter__(self) -> Self:
        """Open the connections."""
        self._session = aiohttp.ClientSession()
        _, self._tcp = await asyncio.open_connection("127.0.0.1", self._tcp_port)
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close them."""
        self._udp.close()
        self._tcp.close()
        await self._session.close()

    async def send(self, channel: str, body: bytes) -> int:
        """Send one body; returns how many records it holds."""
        if channel in HTTP:
            return await self._post(channel, body)
        if channel == "guacamole":
            self._tcp.write(body + b"\n")
            await self._tcp.drain()
            return 1
        if channel in UDP:
            self._udp.sendto(body, ("127.0.0.1", self._udp_ports[UDP.index(channel)]))
            return 1
        if channel in FOLDERS:
            return self._drop(channel, body)
        with (self._inbox / "conn.log").open("ab") as file:
            file.write(body + b"\n")
        return 1

    async def _post(self, channel: str, body: bytes) -> int:
        source, dataset = HTTP[channel]
        headers = {"X-Isthmus-Source": source, "X-Isthmus-Dataset": dataset}
        url = f"http://127.0.0.1:{self._http_port}/v1/records"
        async with self._session.post(url, data=body, headers=headers) as reply:
            reply.raise_for_status()
            answer: dict[str, int] = await reply.json()
        return answer["accepted"]

    def _drop(self, channel: str, body: bytes) -> int:
        """Write a report beside the folder and move it in whole, as careful systems do."""
        self._files += 1
        part = self._inbox / f".{channel}.part"
        part.write_bytes(body)
        part.rename(self._inbox / channel / f"report-{self._files:05d}.csv")
        return len(body.strip().splitlines()) - 1
