"""`isthmus audit`: what was done to the engine, by whom and when."""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec

from connectors.errors import ConnectorError
from detector.cli.options import config_option, shown
from detector.errors import SettingsError
from detector.runtime.embedded.store import EngineStore
from detector.settings import Settings, load_settings


@click.command(short_help="Show what was done to the engine.")
@config_option
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="Documents as they are kept, one a line.")
def audit(config: Path, limit: int, *, as_json: bool) -> None:
    """Show the newest records of the audit log, newest first.

    That on Kafka where the settings have a section `kafka`, else that of the embedded engine.
    """
    try:
        documents = _newest(load_settings(config), limit)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except ConnectorError as error:
        click.echo(str(error), err=True)
        sys.exit(3)
    for document in documents:
        click.echo(document.decode("utf-8", "backslashreplace") if as_json else _line(document))


def _newest(settings: Settings, limit: int) -> list[bytes]:
    if settings.kafka is not None:
        # Imported here, because the embedded engine needs no Kafka client.
        from detector.runtime.kafka.auditing import read_audit  # noqa: PLC0415

        return asyncio.run(read_audit(settings.kafka, limit))
    path = settings.data_dir / "engine.db"
    if not path.exists():
        raise SettingsError(f"{path} does not exist; has the engine run with these settings?")
    with closing(EngineStore(path, durable=settings.durable)) as store:
        return store.audit(limit)


def _line(value: bytes) -> str:
    try:
        document: dict[str, Any] = msgspec.json.decode(value, type=dict[str, Any])
        facts = " ".join(f"{name}={_fact(fact)}" for name, fact in document["convergence"]["audit"].items())
        by, action = document["observer"]["name"], document["event"]["action"]
        return shown(f"{document['@timestamp']:<30}  {by:<24} {action:<18} {facts}".rstrip())
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return f"not of ours: {shown(value[:200].decode('utf-8', 'backslashreplace'))}"


def _fact(fact: Any) -> str:  # noqa: ANN401  JSON
    return ",".join(fact) if isinstance(fact, list) else str(fact)
