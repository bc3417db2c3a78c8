"""`isthmus context`: what the engine knows of people, assets and places."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click
import msgspec

from connectors.errors import ConnectorError
from detector.cli.options import config_option
from detector.errors import SettingsError
from detector.kafkasettings import KafkaSettings
from detector.runtime.clock import SystemClock
from detector.settings import load_settings
from normalizers.context.tables import read_context
from normalizers.errors import ContextErrors


@click.group(short_help="Check and publish context tables.")
def context() -> None:
    """Work with context tables."""


@context.command()
@config_option
def publish(config: Path) -> None:
    """Publish the tables of the settings' context folder to Kafka, those that are new or changed.

    Workers have them within seconds. A change is known from five seconds after it was published; a table that is
    published for the first time counts as always known.
    """
    try:
        settings = load_settings(config)
        kafka = settings.cluster()
        if settings.context.folder is None:
            raise click.UsageError(f"{config}: context.folder is not set: where are the tables?")
        tables = asyncio.run(_publish(kafka, settings.context.folder))
    except (SettingsError, ContextErrors) as error:
        raise click.UsageError(str(error)) from error
    except (ConnectorError, OSError) as error:
        click.echo(f"not published: {error}", err=True)
        sys.exit(3)
    click.echo(f"published: {', '.join(tables)}" if tables else "nothing has changed")


async def _publish(kafka: KafkaSettings, folder: Path) -> list[str]:
    # Imported here, because `check` needs no Kafka client.
    from detector.runtime.kafka.contextfiles import publish_tables  # noqa: PLC0415

    return await publish_tables(kafka, folder, SystemClock())


@context.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def check(folder: Path, *, as_json: bool) -> None:
    """Read every table of FOLDER and report every fault with file, row and column.

    Exit code 1 when there are faults.
    """
    rows, faults = read_context(folder)
    counts = {name: len(read) for name, read in sorted(rows.items())}
    if as_json:
        click.echo(msgspec.json.encode({"rows": counts, "faults": faults}).decode())
    else:
        for fault in faults:
            click.echo(str(fault))
        for name, count in counts.items():
            click.echo(f"{name:<12} {count:>6} rows")
        click.echo(f"{len(faults)} fault{'' if len(faults) == 1 else 's'}")
    sys.exit(1 if faults else 0)
