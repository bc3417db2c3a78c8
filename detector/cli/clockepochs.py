"""`isthmus clock epochs`: the clocks of sources as they are known afterwards, for backtests."""

from __future__ import annotations

from pathlib import Path

import click

from detector.cli.options import raw_log, raw_option
from detector.errors import SettingsError
from detector.runtime.clock import SystemClock
from detector.runtime.clockhistory import clock_epochs
from detector.runtime.embedded.rawlog import recorded
from detector.runtime.epochsfile import epochs_line
from detector.settings import load_settings
from normalizers.source import SourceProfile


@click.command(short_help="Write the clocks as known afterwards.")
@click.argument("sources", nargs=-1)
@raw_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    default=Path("-"),
    show_default=True,
    help="File to write; - for standard output.",
)
@click.pass_context
def epochs(context: click.Context, sources: tuple[str, ...], raw: Path | None, output: Path) -> None:
    """Write what is known afterwards of the clocks of SOURCES, or of all, as one JSON object a line.

    The model is run again over the raw log. A line is a stretch of at most six hours between two steps: the line that
    its clock kept, from when to when, by receipt, by the device's own time and by its sequence numbers. Give the file
    to `isthmus replay --epochs` or `isthmus eval --epochs`. Exit code 1 when nothing is known.
    """
    try:
        settings = load_settings(context.obj)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    path = raw_log(settings, raw)
    profiles = settings.profiles()
    records = (each.record for each in recorded(path, SystemClock(), partitions=settings.raw_partitions))
    found = clock_epochs(records, lambda source: profiles.get(source) or SourceProfile(id=source), sources)
    with click.open_file(str(output), "w", encoding="utf-8") as file:
        for stretch in found:
            file.write(epochs_line(stretch) + "\n")
    known = {stretch.source for stretch in found}
    click.echo(f"{len(found)} stretches of {len(known)} clocks", err=True)
    if not found:
        context.exit(1)
