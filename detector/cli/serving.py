"""Running until somebody says stop, or until what runs cannot go on: for the commands that stay up."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterable
from typing import Any

import click

from connectors.intake import Connector
from detector.runtime.pages import StatusPages
from detector.settings import Settings


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set, from now on, instead of ending the process."""
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop


def tell_ports(connectors: Iterable[Connector]) -> None:
    """Say on which port each listener listens."""
    for connector in connectors:
        if port := getattr(connector, "port", None):
            click.echo(f"listening: {type(connector).__name__} on port {port}", err=True)


def tell_pages(settings: Settings, pages: StatusPages) -> None:
    """Say where the pages of a process of the engine on Kafka are."""
    if pages.port:
        click.echo(f"pages: http://{settings.http.host}:{pages.port}/healthz /metrics", err=True)


async def until_stopped(stop: asyncio.Event, running: Coroutine[Any, Any, None]) -> None:
    """Wait until told to stop or until what runs has ended, whichever is first.

    Raises:
        Exception: What ended it.
    """
    waits = {asyncio.create_task(stop.wait()), asyncio.create_task(running)}
    done, others = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    for task in done:
        task.result()
