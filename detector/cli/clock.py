"""`isthmus clock`: what is known of the sources' clocks."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click
import msgspec

from connectors.errors import ConnectorError
from detector.alerting.times import utc
from detector.cli.clockepochs import epochs
from detector.cli.clockplot import plot
from detector.cli.options import config_option
from detector.errors import SettingsError, StateError
from detector.runtime.embedded.store import EngineStore
from detector.runtime.stages.clocks import read_clocks
from detector.settings import Settings, load_settings
from normalizers.clock.policy import NS
from normalizers.clock.state import StoredClock
from normalizers.clock.summary import ClockSummary, summarize
from normalizers.source import SourceProfile

_HEAD = ("source", "status", "offset", "drift", "uncertainty", "least step", "lateness", "last finding")

EXAMPLES = """\b
Examples:
  isthmus clock                           every source, from isthmus.yml here
  isthmus clock --format json             one JSON object a source, one a line
  isthmus clock plot plant-b/turnstile    its offset over time, as a picture
  isthmus clock epochs -o epochs.ndjson   the clocks as known afterwards, for backtests

\b
Status:
  synced     cannot be told from a right clock
  estimated  wrong by a known amount, and corrected
  learning   not enough events yet; stamps are kept, with a wide uncertainty
  stepped    moved lately, and is learned anew
  unknown    erratic, or no clock of a device
  fixed      offset and uncertainty are set in the settings; nothing is learned
"""


class ClockLine(msgspec.Struct, frozen=True):
    """One source as the command tells it; durations in ns, None where nothing is known."""

    source: str
    status: str
    offset_ns: int | None = None
    drift_ppm: float | None = None
    uncertainty_ns: int | None = None
    least_step_ns: int | None = None
    method: str = "none"
    epoch: int | None = None
    heard: str | None = None
    finding: str | None = None
    finding_at: str | None = None
    finding_shift_ns: int | None = None
    lateness_ns: int | None = None
    suggested_lateness_ns: int | None = None


@click.group(name="clock", invoke_without_command=True, short_help="Show the clocks of all sources.", epilog=EXAMPLES)
@config_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def clock(context: click.Context, config: Path, form: str) -> None:
    """Show what is known of the clock of every source.

    On Kafka where the settings have a section `kafka`, as its workers committed it last, else by the embedded engine;
    either may be running. Offset is device minus true time, so a slow clock has a negative one. The least step is the
    smallest jump that its transport lets be found. Lateness is the setting in force for its dataset, and after an
    arrow what 99 % of its newest records needed, when that is more. Exit code 1 when no clock is known, 3 when the
    cluster cannot be read.
    """
    context.obj = config
    if context.invoked_subcommand is not None:
        return
    try:
        lines = _lines(load_settings(config))
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except (StateError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    except ConnectorError as error:
        click.echo(str(error), err=True)
        sys.exit(3)
    if form == "json":
        for line in lines:
            click.echo(msgspec.json.encode(line).decode())
    else:
        _print(lines)
    if not lines:
        sys.exit(1)


clock.add_command(plot)
clock.add_command(epochs)


def _lines(settings: Settings) -> list[ClockLine]:
    stored = _stored(settings)
    profiles = settings.profiles()
    sources = sorted({*stored, *settings.sources})
    return [_line(each, settings, profiles.get(each) or SourceProfile(id=each), stored.get(each)) for each in sources]


def _stored(settings: Settings) -> dict[str, StoredClock]:
    if settings.kafka is not None:
        # Imported here, because the embedded engine needs no Kafka client.
        from detector.runtime.kafka.clockstates import stored_clocks  # noqa: PLC0415

        return asyncio.run(stored_clocks(settings, _tell_partition))
    path = settings.data_dir / "engine.db"
    if not path.exists():
        raise SettingsError(f"{path}: does not exist; the embedded engine has not run with these settings")
    store = EngineStore(path, durable=False)
    try:
        found = dict[str, StoredClock]()
        for partition in range(store.position("raw_partitions")):
            found |= read_clocks(store.state("sense", partition))
        return found
    finally:
        store.close()


def _tell_partition(partition: int, count: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"reading what is known, partition {partition + 1} of {count}", err=True)


def _line(source: str, settings: Settings, profile: SourceProfile, stored: StoredClock | None) -> ClockLine:
    if profile.clock is None or not profile.is_clock_learned:
        is_fixed = bool(profile.clock_offset_ns or profile.clock_uncertainty_ns)
        status = "fixed" if is_fixed else "unknown"
        method = "fixed" if is_fixed else "none"
        return ClockLine(source, status, profile.clock_offset_ns, None, profile.clock_uncertainty_ns, method=method)
    if stored is None:
        return ClockLine(source, "unknown")
    known = summarize(profile.clock, stored)
    lateness_ns = _lateness(source, settings)
    return ClockLine(
        source,
        known.status,
        known.offset_ns,
        round(known.drift_ppm, 3),
        known.uncertainty_ns,
        known.least_step_ns,
        known.method,
        known.epoch,
        utc(known.heard_ns),
        *_finding(known),
        lateness_ns,
        _suggested(known, profile, lateness_ns),
    )


def _finding(known: ClockSummary) -> tuple[str | None, str | None, int | None]:
    found = known.finding
    return (None, None, None) if found is None else (found.kind, utc(found.until_ns), found.shift_ns)


def _lateness(source: str, settings: Settings) -> int:
    known = settings.sources.get(source)
    return settings.lateness_ns((known.dataset if known is not None else None) or "default")


def _suggested(known: ClockSummary, profile: SourceProfile, lateness_ns: int) -> int | None:
    """Return a longer lateness, in whole seconds, when the newest delays and two polls ask for one."""
    if known.delay_ns is None or profile.clock is None or known.status not in {"synced", "estimated"}:
        return None
    wanted_ns = max(known.delay_ns, round(2 * profile.clock.poll_s * NS)) + known.uncertainty_ns
    whole_ns = -(-wanted_ns // NS) * NS
    return whole_ns if whole_ns > lateness_ns else None


def _print(lines: list[ClockLine]) -> None:
    rows = [_HEAD, *map(_row, lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(line: ClockLine) -> tuple[str, ...]:
    lateness = "" if line.lateness_ns is None else f"{line.lateness_ns / NS:g} s"
    if line.suggested_lateness_ns is not None:
        lateness += f" -> {line.suggested_lateness_ns / NS:g} s"
    finding = "" if line.finding is None else f"{line.finding} {line.finding_at}"
    if line.finding_shift_ns:
        finding += f" ({_seconds(line.finding_shift_ns, sign=True)})"
    return (
        line.source,
        line.status,
        _seconds(line.offset_ns, sign=True),
        "" if line.drift_ppm is None else f"{line.drift_ppm:+.1f} ppm",
        _seconds(line.uncertainty_ns),
        _seconds(line.least_step_ns),
        lateness,
        finding,
    )


def _seconds(value_ns: int | None, *, sign: bool = False) -> str:
    if value_ns is None:
        return ""
    return f"{value_ns / NS:{'+' if sign else ''}.3f} s"
