"""`isthmus deadletter`: what could not be processed, why, and another try."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from connectors.record import Document
from detector.alerting.times import utc
from detector.cli.options import config_option
from detector.errors import SettingsError
from detector.runtime.clock import SystemClock
from detector.runtime.embedded.rawlog import RawLog
from detector.runtime.embedded.store import EngineStore
from detector.settings import Settings, load_settings


@click.group(short_help="Look at what could not be processed.")
def deadletter() -> None:
    """List, show and retry dead letters."""


@deadletter.command(name="list")
@config_option
@click.option("--stage", help="Only of this stage, such as normalize or correlate.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
def list_letters(config: Path, stage: str | None, limit: int) -> None:
    """List dead letters, newest first."""
    store = _store(_settings(config))
    letters = store.dead_letters(limit=limit, stage=stage)
    for stored in letters:
        letter = stored.letter
        click.echo(
            f"{stored.seq:>6}  {utc(letter.received_ns)}  {letter.stage:<10} {letter.source:<24} "
            f"{letter.dataset or '?':<18} {letter.error[:120]}"
        )
    click.echo(f"{len(letters)} of {store.count_dead_letters()} dead letters", err=True)


@deadletter.command()
@config_option
@click.argument("number", type=int)
def show(config: Path, number: int) -> None:
    """Show one dead letter whole; NUMBER as `list` prints it."""
    stored = _store(_settings(config)).dead_letter(number)
    if stored is None:
        raise click.UsageError(f"there is no dead letter {number}")
    letter = stored.letter
    for name in ("id", "stage", "source", "dataset", "error"):
        click.echo(f"{name:<9} {getattr(letter, name)}")
    click.echo(f"received  {utc(letter.received_ns)}\n")
    click.echo(letter.value[:100_000].decode("utf-8", "backslashreplace"))


@deadletter.command()
@config_option
@click.argument("numbers", nargs=-1, required=True, type=int)
@click.option("--dataset", help="Take it as this dataset instead.")
def retry(config: Path, numbers: tuple[int, ...], dataset: str | None) -> None:
    """Put records back into the raw log, after their cause was mended. They are received now."""
    settings = _settings(config)
    store = _store(settings)
    letters = [stored for number in numbers if (stored := store.dead_letter(number)) is not None]
    kept = [stored for stored in letters if stored.letter.stage in {"recognise", "normalize"}]
    rawlog = RawLog(
        settings.data_dir / "raw.db", SystemClock(), partitions=settings.raw_partitions, durable=settings.durable
    )
    rawlog.append(
        [
            Document(
                source=stored.letter.source,
                dataset=dataset or stored.letter.dataset,
                value=stored.letter.value,
                key=f"deadletter/{stored.seq}",
            )
            for stored in kept
        ]
    )
    for stored in kept:
        store.mark_retried(stored.seq)
    rawlog.close()
    store.close()
    click.echo(f"{len(kept)} of {len(numbers)} put back; only raw records can be retried")
    sys.exit(0 if len(kept) == len(numbers) else 1)


def _settings(config: Path) -> Settings:
    try:
        return load_settings(config)
    except (SettingsError, msgspec.ValidationError) as error:
        raise click.UsageError(str(error)) from error


def _store(settings: Settings) -> EngineStore:
    path = settings.data_dir / "engine.db"
    if not path.exists():
        raise click.UsageError(f"{path} does not exist; has the engine run with these settings?")
    return EngineStore(path, durable=settings.durable)
