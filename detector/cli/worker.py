"""`isthmus worker`: the engine's tasks on Kafka, as many workers as there are cores."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from pathlib import Path

import click

from connectors.errors import ConnectorError
from detector.cli.options import config_option, no_cache_option, without_cache
from detector.cli.serving import stop_on_signals, tell_pages, until_stopped
from detector.errors import DetectorError, SettingsError
from detector.runtime.clock import SystemClock
from detector.runtime.kafka.deliver import DELIVER
from detector.runtime.kafka.stage import STAGES
from detector.runtime.kafka.worker import Worker
from detector.settings import Settings, load_settings

_STAGES = (*STAGES, DELIVER)


@click.command(short_help="Run the engine's tasks on Kafka.")
@config_option
@no_cache_option
@click.option(
    "--stages",
    default=",".join(_STAGES),
    show_default=True,
    help="Stages to take part in, separated by commas.",
)
@click.option(
    "--instance",
    help="Name of this worker, unique and lasting, such as a pod's: a restart within 6 s then moves no task.",
)
def worker(config: Path, stages: str, instance: str | None, *, no_cache: bool) -> None:
    """Take part in the work on a Kafka cluster until SIGINT or SIGTERM.

    Tasks are shared among all workers with the same settings; each uses one core. What a task gave out, what it
    remembers and how far it has read are committed together: a worker may be killed at any time, and the others go on
    where it was. The stage deliver hands alerts to the sinks of the settings. Rules that change are loaded, at once on
    SIGHUP, and take over in all workers at the same place of the raw log; those with faults are refused as a whole.
    """
    chosen = [name for each in stages.split(",") if (name := each.strip())]
    if unknown := sorted(set(chosen) - set(_STAGES)):
        raise click.UsageError(f"--stages: {', '.join(unknown)} is no stage; known are {', '.join(_STAGES)}")
    try:
        settings = without_cache(load_settings(config)) if no_cache else load_settings(config)
        asyncio.run(_run(settings, chosen, instance))
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except (ConnectorError, DetectorError, OSError) as error:
        click.echo(f"stopped: {error}", err=True)
        sys.exit(3)


async def _run(settings: Settings, stages: list[str], instance: str | None) -> None:
    running = Worker(settings, SystemClock(), stages, instance)
    stop = stop_on_signals()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, running.reload)  # before: it would end the process
    try:
        await running.start()
        gc.freeze()  # rules stay: collections need not walk through them
        tell_pages(settings, running.pages)
        await until_stopped(stop, running.wait())
    finally:
        await running.stop()
