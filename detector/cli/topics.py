"""`isthmus topics`: what Kafka must hold for the engine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import click

from connectors.errors import ConnectorSettingsError, SourceUnavailableError
from connectors.kafka.admin import TopicAdmin, TopicRefusedError, administering
from connectors.kafka.client import client_arguments
from connectors.kafka.topic import Topic
from detector.cli.options import config_option
from detector.errors import SettingsError
from detector.kafkasettings import KafkaSettings
from detector.runtime.audit import AuditRecord, who
from detector.runtime.clock import SystemClock
from detector.runtime.kafka.auditing import write_audit
from detector.runtime.topics.acls import Principals, grants
from detector.runtime.topics.comparing import Difference, compare
from detector.runtime.topics.declaring import SAFE_REPLICATION, declared_topics
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings, load_settings

_SIGNS = {"create": "+", "change": "~"}
_LOOKS, _LOOK_S = 50, 0.2


@click.group(short_help="Make and check topics on Kafka.")
def topics() -> None:
    """Compare the topics that the settings ask for with those of the cluster.

    Nothing is made by accident: workers refuse to start until `apply` has run. Nothing is ever deleted or lowered.
    """


@topics.command()
@config_option
def plan(config: Path) -> None:
    """Show what `apply` would do, and what it would leave to a person."""
    settings, kafka = _settings(config)
    _run(kafka, lambda admin: _plan(admin, settings, kafka))


@topics.command()
@config_option
def apply(config: Path) -> None:
    """Make missing topics and change settings that differ; a second time does nothing.

    Exit code 1 when something is left to a person.
    """
    settings, kafka = _settings(config)
    left = _run(kafka, lambda admin: _apply(admin, settings, kafka))
    sys.exit(1 if left else 0)


@topics.command()
@config_option
def check(config: Path) -> None:
    """Show how the cluster's topics differ from the settings. Exit code 1 when they do."""
    settings, kafka = _settings(config)
    differences = _run(kafka, lambda admin: _plan(admin, settings, kafka))
    sys.exit(1 if differences else 0)


@topics.command()
@config_option
@click.option("--operator", default=Principals().operator, show_default=True, help="Runs topics, deadletter, audit.")
@click.option("--worker", default=Principals().worker, show_default=True, help="Runs `isthmus worker`.")
@click.option("--connector", default=Principals().connector, show_default=True, help="Brings records in.")
@click.option("--subscriber", default=Principals().subscriber, show_default=True, help="Reads alerts.")
def acls(config: Path, **accounts: str) -> None:
    """Print the least rights that each account needs, as commands for Kafka's own tool.

    Set BROKERS, and ADMIN to the properties file of an account that may alter the cluster.
    """
    settings, kafka = _settings(config)
    for grant in grants(settings, kafka, Principals(**accounts)):
        click.echo(f"# {grant.principal}: {grant.why}\n{grant.command()}")


def _settings(config: Path) -> tuple[Settings, KafkaSettings]:
    try:
        settings = load_settings(config)
        kafka = settings.cluster()
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    if kafka.replication < SAFE_REPLICATION:
        click.echo(
            f"warning: replication is {kafka.replication}: a broker that is lost can take records with it; use"
            f" {SAFE_REPLICATION} where there are as many brokers",
            err=True,
        )
    return settings, kafka


def _run(kafka: KafkaSettings, ask: Callable[[TopicAdmin], Coroutine[Any, Any, list[Difference]]]) -> list[Difference]:
    async def connected() -> list[Difference]:
        async with administering(kafka.connection) as admin:
            return await ask(admin)

    try:
        return asyncio.run(connected())
    except ConnectorSettingsError as error:
        raise click.UsageError(str(error)) from error
    except (SourceUnavailableError, TopicRefusedError) as error:
        click.echo(str(error), err=True)
        sys.exit(3)


async def _plan(admin: TopicAdmin, settings: Settings, kafka: KafkaSettings) -> list[Difference]:
    declared = declared_topics(settings, kafka)
    differences = compare(declared, await admin.read({topic.name for topic in declared}))
    _show(differences)
    _sum_up(len(declared), differences)
    return differences


async def _apply(admin: TopicAdmin, settings: Settings, kafka: KafkaSettings) -> list[Difference]:
    declared = declared_topics(settings, kafka)
    names = {topic.name for topic in declared}
    done = list[Difference]()
    for difference in compare(declared, await admin.read(names)):
        _show([difference])
        if difference.kind == "create":
            await admin.create(difference.topic)
        elif difference.kind == "change" and difference.found is not None:
            await admin.configure(difference.found, difference.changes)
        done.append(difference)
    await _audit(kafka, done)
    left = await _settled(admin, declared)
    _sum_up(len(declared), left)
    return left


async def _audit(kafka: KafkaSettings, done: Sequence[Difference]) -> None:
    facts = {f"{kind}d": [each.topic.name for each in done if each.kind == kind] for kind in _SIGNS}
    if any(facts.values()):
        record = AuditRecord("topics-applied", SystemClock().now_ns(), who(), facts)
        # Written by itself: the cluster does what is asked of topics in no transaction.
        await write_audit(client_arguments(kafka.connection, "isthmus-topics"), TopicNames(kafka.prefix), record)


async def _settled(admin: TopicAdmin, declared: Sequence[Topic]) -> list[Difference]:
    """Return what is left for a person, once every broker has heard of what was done; they may lag the controller."""
    for _ in range(_LOOKS):
        left = compare(declared, await admin.read({topic.name for topic in declared}))
        if all(each.kind == "refuse" for each in left):
            break
        await asyncio.sleep(_LOOK_S)
    return left


def _show(differences: Sequence[Difference]) -> None:
    for each in differences:
        click.echo(
            f"! {each.what}" if each.kind == "refuse" else f"{_SIGNS[each.kind]} {each.topic.name:<36} {each.what}"
        )


def _sum_up(declared: int, differences: Sequence[Difference]) -> None:
    differing = len({each.topic.name for each in differences})
    click.echo(f"{declared - differing} of {declared} topics are as declared", err=True)
