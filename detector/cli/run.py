"""`isthmus run`: the embedded engine on real inputs."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from pathlib import Path

import click

from connectors.errors import ConnectorError
from detector.alert import Alert
from detector.alerting.one_line import one_line
from detector.cli.options import config_option, no_cache_option, without_cache
from detector.cli.serving import stop_on_signals, tell_ports, until_stopped
from detector.errors import DetectorError, SettingsError
from detector.runtime.clock import SystemClock
from detector.runtime.embedded.engine import EmbeddedEngine
from detector.settings import Settings, load_settings


@click.command(short_help="Run the engine.")
@config_option
@no_cache_option
@click.option("--quiet", is_flag=True, help="Do not print alerts.")
def run(config: Path, *, no_cache: bool, quiet: bool) -> None:
    """Take records through the listeners of the settings until SIGINT or SIGTERM.

    What a listener acknowledged is on disk. After a crash start it again: it goes on where it was, and the same
    records give the same alerts. Rules that change are reloaded, at once on SIGHUP; those with faults are refused as a
    whole, and the ones in use go on.
    """
    try:
        settings = without_cache(load_settings(config)) if no_cache else load_settings(config)
        asyncio.run(_run(settings, quiet=quiet))
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except (ConnectorError, OSError) as error:
        click.echo(f"cannot start: {error}", err=True)
        sys.exit(3)
    except DetectorError as error:
        click.echo(f"stopped: {error}", err=True)
        sys.exit(3)


async def _run(settings: Settings, *, quiet: bool) -> None:
    def show(alerts: list[Alert]) -> None:
        for alert in alerts:
            if not quiet:
                click.echo(one_line(alert.document))

    engine = EmbeddedEngine(settings, SystemClock(), on_alerts=lambda alerts: show(list(alerts)))
    stop = stop_on_signals()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, engine.reloading.ask)  # before: it would end us
    await engine.start()
    gc.freeze()  # rules stay: collections need not walk through them
    tell_ports(engine.connectors)
    if engine.port:
        click.echo(f"pages: http://{settings.http.host}:{engine.port}/healthz /metrics /api/alerts", err=True)
    try:
        await until_stopped(stop, engine.wait())
    finally:
        await engine.stop()
