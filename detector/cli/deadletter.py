"""`isthmus deadletter`: what could not be processed, why, and another try."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from connectors.errors import ConnectorError, ConnectorSettingsError
from connectors.record import Document
from detector.alerting.times import utc
from detector.cli.options import config_option, shown
from detector.errors import SettingsError
from detector.runtime.clock import SystemClock
from detector.runtime.deadletters import DeadLetterLog, NotRetriableError, StoredDeadLetter, document_of
from detector.runtime.embedded.deadletters import StoredDeadLetters
from detector.settings import Settings, load_settings

Given = TypeVar("Given")


@click.group(short_help="Look at what could not be processed.")
def deadletter() -> None:
    """List, show and retry dead letters.

    Those on Kafka where the settings have a section `kafka`, else those of the embedded engine.
    """


@deadletter.command(name="list")
@config_option
@click.option("--stage", help="Only of this stage, such as normalize or correlate.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
def list_letters(config: Path, stage: str | None, limit: int) -> None:
    """List dead letters, newest first; on Kafka among the last 100,000."""
    letters = _run(_log(_settings(config)).newest(limit, stage))
    for stored in letters:
        letter = stored.letter
        again = "  (put back)" if stored.retried else ""
        click.echo(
            f"{stored.seq:>6}  {utc(letter.received_ns)}  {letter.stage:<10} {shown(letter.source):<24} "
            f"{shown(letter.dataset or '?'):<18} {shown(letter.error[:120])}{again}"
        )
    click.echo(_counted(len(letters), limit), err=True)


@deadletter.command()
@config_option
@click.argument("number", type=int)
def show(config: Path, number: int) -> None:
    """Show one dead letter whole; NUMBER as `list` prints it."""
    found = _run(_log(_settings(config)).get([number]))
    if number not in found:
        raise click.UsageError(f"there is no dead letter {number}")
    letter = found[number].letter
    for name in ("id", "stage", "source", "dataset", "error"):
        click.echo(f"{name:<9} {shown(getattr(letter, name))}")
    click.echo(f"received  {utc(letter.received_ns)}\n")
    click.echo(shown(letter.value[:100_000].decode("utf-8", "backslashreplace")))


@deadletter.command()
@config_option
@click.argument("numbers", nargs=-1, required=True, type=int)
@click.option("--dataset", help="Take it as this dataset instead.")
def retry(config: Path, numbers: tuple[int, ...], dataset: str | None) -> None:
    """Put records back into the raw log, after their cause was mended. They are received now.

    A record is put back once as each dataset, however often it is asked. Exit code 1 when one cannot be.
    """
    settings = _settings(config)
    log = _log(settings)
    found = _run(log.get(numbers))
    chosen = {number: _document(settings, found.get(number), dataset) for number in numbers}
    documents = {number: each for number, each in chosen.items() if isinstance(each, Document)}
    fresh = _run(log.put_back(documents))
    for number, each in chosen.items():
        click.echo(f"{number:>6}  {_said(each, is_fresh=number in fresh)}")
    click.echo(f"{len(fresh)} of {len(chosen)} put back", err=True)
    sys.exit(0 if len(documents) == len(chosen) else 1)


def _document(settings: Settings, stored: StoredDeadLetter | None, dataset: str | None) -> Document | str:
    """Return what is put back, or why nothing is."""
    if stored is None:
        return "there is no such dead letter"
    datasets = {name: each.dataset for name, each in settings.sources.items() if each.dataset}
    try:
        return document_of(stored, datasets, dataset)
    except NotRetriableError as error:
        return str(error)


def _said(chosen: Document | str, *, is_fresh: bool) -> str:
    if isinstance(chosen, str):
        return chosen
    return f"put back as {chosen.dataset}" if is_fresh else f"was put back as {chosen.dataset} before; not done again"


def _counted(count: int, limit: int) -> str:
    if count == limit:
        return f"the newest {count} dead letters; --limit shows more"
    return "1 dead letter" if count == 1 else f"{count} dead letters"


def _settings(config: Path) -> Settings:
    try:
        return load_settings(config)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


def _log(settings: Settings) -> DeadLetterLog:
    try:
        if settings.kafka is None:
            return StoredDeadLetters(settings, SystemClock())
        # Imported here, because the embedded engine needs no Kafka client.
        from detector.runtime.kafka.deadletters import KafkaDeadLetters  # noqa: PLC0415

        return KafkaDeadLetters(settings.kafka, SystemClock())
    except (SettingsError, ConnectorSettingsError) as error:
        raise click.UsageError(str(error)) from error


def _run(asked: Coroutine[Any, Any, Given]) -> Given:
    try:
        return asyncio.run(asked)
    except ConnectorError as error:
        click.echo(str(error), err=True)
        sys.exit(3)
