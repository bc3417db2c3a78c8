"""`isthmus clock plot`: the offset of one clock over time, drawn from recorded records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from connectors.record import RawRecord
from detector.cli.options import raw_log, raw_option
from detector.errors import SettingsError
from detector.runtime.clock import SystemClock
from detector.runtime.clockhistory import clock_history
from detector.runtime.embedded.rawlog import recorded
from detector.settings import load_settings
from normalizers.source import SourceProfile


@click.command(short_help="Draw one clock's offset over time.")
@click.argument("source")
@raw_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("clock.svg"),
    show_default=True,
    help="Picture to write; .svg or .png.",
)
@click.pass_context
def plot(context: click.Context, source: str, raw: Path | None, output: Path) -> None:
    """Draw the offset of SOURCE over time, from the raw log: stamps, line under the lags, uncertainty and steps.

    The model is run again over the recorded records, so the picture begins where the raw log does. Needs matplotlib:
    install isthmus[plot].
    """
    if output.suffix not in {".svg", ".png"}:
        raise click.UsageError(f"{output}: name a .svg or .png file")
    try:
        from detector.cli.clockpicture import draw  # noqa: PLC0415  matplotlib is an extra, and slow to import
    except ImportError as error:
        raise click.ClickException("matplotlib is not installed; install isthmus[plot]") from error
    try:
        settings = load_settings(context.obj)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    profile = settings.profiles().get(source) or SourceProfile(id=source)
    if not profile.is_clock_learned:
        raise click.UsageError(f"{source}: its clock is not learned; see the settings clock, clock_offset")
    path = raw_log(settings, raw)
    history = clock_history(_records(path, settings.raw_partitions, source), profile)
    if not history.points:
        raise click.ClickException(f"{source}: no record of it in {path}")
    draw(history, output)
    click.echo(f"{output}: {len(history.points)} events of {source}, {len(history.steps)} steps", err=True)


def _records(path: Path, partitions: int, source: str) -> Iterator[RawRecord]:
    entries = recorded(path, SystemClock(), partitions=partitions)
    return (each.record for each in entries if each.record.source == source)
