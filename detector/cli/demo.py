"""`isthmus demo`: a day at the bundled plant."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import structlog

from detector.alert import Alert
from detector.alerting.one_line import one_line
from detector.demo.player import Player, Summary
from detector.demo.script import load_truth
from detector.demo.setup import lay_out
from detector.demo.truth import differences

_COLOURS = {"critical": "red", "high": "bright_red", "medium": "yellow"}
_BAR = 30


@click.command(short_help="Play a day at the bundled plant.")
@click.option(
    "--serve", is_flag=True, help="Stay up afterwards and answer /healthz, /metrics and /api/alerts on loopback."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for settings, tables and databases; default a new temporary one.",
)
def demo(*, serve: bool, data: Path | None) -> None:
    """Play a day at a small plant through the engine's own listeners, and print the alerts that it raises.

    Two sites, 41 people, 58 assets. A vendor's session without a ticket becomes a changed controller and a forced
    door; other things only look bad. The clock is stepped, so the day takes less than a minute.
    Exit code 1 when the alerts are not those of the script.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    folder = data or Path(tempfile.mkdtemp(prefix="isthmus-demo-"))
    if (folder / "data").exists():
        raise click.UsageError(f"{folder} already holds a day; give an empty folder")
    try:
        wrong = asyncio.run(_play(folder, serve=serve))
    except KeyboardInterrupt:
        sys.exit(0)  # Ctrl-C is how one leaves --serve, and no fault before it either
    sys.exit(1 if wrong else 0)


async def _play(folder: Path, *, serve: bool) -> bool:
    settings, inbox = lay_out(folder)
    progress = _Progress()
    player = Player(settings, inbox, on_alert=progress.alert, on_time=progress.time)
    click.echo("A day at Northfield works and Harbour works; raw records enter through real sockets and files.\n")
    summary = await player.play()
    progress.end()
    wrong = differences(load_truth(), [alert.document for alert in summary.alerts.values()])
    _print_summary(summary, folder, wrong)
    if serve:
        port = player.engine.port
        click.echo(f"\nServing http://127.0.0.1:{port}/healthz, /metrics and /api/alerts; Ctrl-C ends it.")
        try:
            await player.engine.wait()
        except asyncio.CancelledError:
            click.echo("stopping")
    await player.engine.stop()
    return bool(wrong)


class _Progress:
    """One line that moves, on a terminal only; alerts above it."""

    def __init__(self) -> None:
        self._moves = sys.stderr.isatty()
        self._start_ns = 0
        self._shown = -1

    def time(self, now_ns: int, end_ns: int) -> None:
        """Show the plant's time."""
        self._start_ns = self._start_ns or now_ns
        share = (now_ns - self._start_ns) / max(end_ns - self._start_ns, 1)
        if not self._moves or int(share * 200) == self._shown:
            return
        self._shown = int(share * 200)
        moment = datetime.fromtimestamp(now_ns // 10**9, UTC).astimezone(ZoneInfo("Europe/Berlin"))
        bar = "#" * int(share * _BAR)
        click.echo(f"\r  {moment:%H:%M} [{bar:<{_BAR}}] {share:4.0%}", nl=False, err=True)

    def alert(self, alert: Alert) -> None:
        """Print an alert as it fires."""
        if self._moves:
            click.echo("\r" + " " * (_BAR + 20) + "\r", nl=False, err=True)
        level = alert.document["convergence"]["alert"]["level"]
        click.echo(click.style(one_line(alert.document), fg=_COLOURS.get(level)))

    def end(self) -> None:
        """Clear the line."""
        if self._moves:
            click.echo("\r" + " " * (_BAR + 20) + "\r", nl=False, err=True)


def _print_summary(summary: Summary, folder: Path, wrong: list[str]) -> None:
    codes = Counter(alert.document["event"]["code"] for alert in summary.alerts.values())
    rate = summary.records / max(summary.wall_s, 1e-9)
    click.echo(f"\nrecords in    {summary.records:>7,}")
    click.echo(f"events out    {summary.events:>7,}")
    click.echo(f"dead letters  {summary.dead_letters:>7,}")
    click.echo(
        f"alerts        {len(summary.alerts):>7,}   {', '.join(f'{code} x{n}' for code, n in sorted(codes.items()))}"
    )
    click.echo(f"took          {summary.wall_s:>7.1f} s, {rate:,.0f} records/s with the clock stepped record by record")
    click.echo(f"alerts are in {folder / 'data' / 'engine.db'}")
    if wrong:
        click.echo("NOT as scripted:\n  " + "\n  ".join(wrong))
    else:
        click.echo("every alert is as the day's script says, and no other")
