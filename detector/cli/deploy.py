"""`isthmus deploy`: what servers must hold before isthmus writes to them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from connectors.elasticsearch.deployment import MAX_SHOWN, Comparison, compare, put, wanted
from connectors.elasticsearch.server import Server
from connectors.elasticsearch.settings import Elasticsearch
from connectors.errors import ConnectorError, ConnectorSettingsError
from detector.alerting.sinks.settings import ElasticsearchSink
from detector.cli.options import config_option
from detector.duration import Duration
from detector.errors import SettingsError
from detector.settings import load_settings

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "elastic"
"""Files as the cluster takes them, for those who would rather put them with their own tools."""

_DAY_NS = 86_400 * 10**9


@click.group(short_help="Prepare servers.")
def deploy() -> None:
    """Compare what servers hold with what isthmus needs there, and set it up."""


@deploy.group(short_help="Templates, ILM policies, pipeline and roles of Elasticsearch.")
def elastic() -> None:
    """Templates, ILM policies, ingest pipeline and roles of Elasticsearch.

    Cluster, certificates and ages come from the sink `elasticsearch` of the settings. Who may set this up is hardly
    who writes alerts: name that user or key here.
    """


def _connected(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--sink", help="Name of the sink, when the settings have several for Elasticsearch."),
        click.option("--username", help="User who may manage the cluster; default the sink's own credential."),
        click.option("--password-file", type=click.Path(path_type=Path), help="File with that user's password."),
        click.option("--password-env", help="Environment variable with that user's password."),
        click.option("--api-key-file", type=click.Path(path_type=Path), help="File with an API key instead."),
        click.option("--api-key-env", help="Environment variable with an API key instead."),
        config_option,
    ):
        command = option(command)
    return command


@elastic.command()
@_connected
def plan(config: Path, sink: str | None, **credential: Any) -> None:  # noqa: ANN401  click's options
    """Print what `apply` would change."""
    comparisons = _run(config, sink, credential, change=False)
    click.echo(f"{_count(comparisons)} of {len(comparisons)} to change", err=True)


@elastic.command()
@_connected
def apply(config: Path, sink: str | None, **credential: Any) -> None:  # noqa: ANN401  click's options
    """Set up what is absent or differs; a second time nothing is left to do."""
    comparisons = _run(config, sink, credential, change=True)
    click.echo(f"{_count(comparisons)} of {len(comparisons)} changed", err=True)


@elastic.command()
@_connected
def check(config: Path, sink: str | None, **credential: Any) -> None:  # noqa: ANN401  click's options
    """Exit with 1 when something is absent or differs."""
    comparisons = _run(config, sink, credential, change=False)
    click.echo(f"{_count(comparisons)} of {len(comparisons)} differ", err=True)
    sys.exit(1 if _count(comparisons) else 0)


def _run(config: Path, name: str | None, credential: dict[str, Any], *, change: bool) -> list[Comparison]:
    try:
        sink = _sink(config, name)
        connection = _as_whom(sink.connection, credential)
        return asyncio.run(_work(connection, sink, change=change))
    except (SettingsError, ConnectorSettingsError) as error:
        raise click.UsageError(str(error)) from error
    except ConnectorError as error:
        click.echo(f"{', '.join(sink.connection.urls)}: {error}", err=True)
        sys.exit(3)


async def _work(connection: Elasticsearch, sink: ElasticsearchSink, *, change: bool) -> list[Comparison]:
    server = Server(connection)
    try:
        keep = {"isthmus-alerts": _age(sink.keep_alerts), "isthmus-events": _age(sink.keep_events)}
        comparisons = await compare(server, await wanted(server, FOLDER, keep))
        if not any(each.resource.kind == "ingest_pipeline" for each in comparisons):
            click.echo(
                "left out: ingest_pipeline (no node has the set processor; the sink's own time of arrival stays)"
            )
        for each in comparisons:
            _show(each)
            if change and not each.is_same:
                await put(server, each.resource)
        return comparisons
    finally:
        await server.close()


def _sink(config: Path, name: str | None) -> ElasticsearchSink:
    sinks = [each for each in load_settings(config).sinks if isinstance(each, ElasticsearchSink)]
    found = [each for each in sinks if name in (None, each.name)]
    if len(found) != 1:
        names = ", ".join(each.name for each in sinks) or "none"
        raise SettingsError(f"{config}: which sink of type elasticsearch? --sink NAME; there are: {names}")
    return found[0]


def _as_whom(connection: Elasticsearch, credential: dict[str, Any]) -> Elasticsearch:
    if not any(credential.values()):
        return connection
    nobody = dict.fromkeys(("username", "password_file", "password_env", "api_key_file", "api_key_env"))
    try:
        return msgspec.structs.replace(connection, **{**nobody, **credential})
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _age(duration: Duration) -> str:
    return f"{duration // _DAY_NS}d" if duration % _DAY_NS == 0 else f"{duration // 10**9}s"


def _count(comparisons: list[Comparison]) -> int:
    return sum(not each.is_same for each in comparisons)


def _show(comparison: Comparison) -> None:
    state = "absent" if comparison.absent else "same" if comparison.is_same else "differs"
    click.echo(f"{state:<8} {comparison.resource.kind} {comparison.resource.name}")
    for line in comparison.differences[:MAX_SHOWN]:
        click.echo(f"           {line}")
    if len(comparison.differences) > MAX_SHOWN:
        click.echo(f"           and {len(comparison.differences) - MAX_SHOWN} more")
