"""`isthmus connect`: bringing records into Kafka."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import click

from connectors.errors import ConnectorError
from detector.cli.options import config_option
from detector.cli.serving import stop_on_signals, tell_pages, tell_ports, until_stopped
from detector.errors import DetectorError, SettingsError
from detector.runtime.clock import SystemClock
from detector.runtime.kafka.connecting import Connecting
from detector.settings import Settings, load_settings


@click.command(short_help="Bring records into Kafka.")
@config_option
@click.option(
    "--instance",
    default=lambda: socket.gethostname().lower(),
    show_default="the host's name",
    help="Name of this connector, unique and lasting.",
)
def connect(config: Path, instance: str) -> None:
    """Run the inputs of the settings and append what they take to the raw log on Kafka, until SIGINT or SIGTERM.

    What an input acknowledges is on this machine's disk first, under `data_dir`, and goes to Kafka from there, each
    record once: inputs go on while the brokers are away, and after a crash it goes on where it was. The disk is used up
    to `kafka.buffer_bytes`; beyond, senders have to wait. `/healthz` and `/metrics` tell how much waits, and why.
    """
    try:
        settings = load_settings(config)
        asyncio.run(_run(settings, instance))
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except (ConnectorError, DetectorError, OSError) as error:
        click.echo(f"stopped: {error}", err=True)
        sys.exit(3)


async def _run(settings: Settings, instance: str) -> None:
    connecting = Connecting(settings, SystemClock(), instance)
    stop = stop_on_signals()
    try:
        await connecting.start()
        tell_ports(connecting.connectors)
        tell_pages(settings, connecting.pages)
        await until_stopped(stop, connecting.wait())
    finally:
        await connecting.stop()
