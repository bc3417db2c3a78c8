"""`isthmus who`: who is where, as far as doors and consoles tell."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from detector.alerting.times import local, utc
from detector.cli.options import config_option
from detector.errors import SettingsError, StateError
from detector.instant import instant_ns
from detector.presence.history import History
from detector.presence.whereabouts import Whereabouts, whereabouts
from detector.runtime.clock import SystemClock
from detector.runtime.embedded.store import EngineStore
from detector.runtime.stages.presence import read_history
from detector.settings import Settings, load_settings
from normalizers.context.history import FOREVER
from normalizers.context.store import ContextStore, View

_HEAD = ("person", "name", "state", "site", "place", "since", "last sign", "sure")

EXAMPLES = """\b
Examples:
  isthmus who                                          everybody inside, now
  isthmus who --at 2026-10-20T10:30:00+02:00           who was inside then
  isthmus who --at 2026-10-20T10:30:00+02:00 novak     one person, wherever
  isthmus who --site plant-a --json                    for another program

\b
States:
  inside       came in, or was seen there, and did not leave
  outside      left the site
  mustered     counted at a muster point
  unaccounted  was inside when an evacuation began, and has not been counted
  unknown      no sign for 14 hours, or the access system was reset; the place is the last one known

\b
Sure:
  sure    a door that sees people leave said so
  likely  some doors of the site do not see people leave, or only a console logon tells
  unsure  the reader does not say which way, or the state is unknown
"""


_NOT_ON_KAFKA = (
    "workers on Kafka do not keep who was seen where; replay the records of the readers and consoles into a folder"
    " (isthmus replay -c SETTINGS --data FOLDER SOURCE=FILE ...) and ask with --data FOLDER"
)
"""Presence is a stage of the embedded engine only."""


class _Told(msgspec.Struct, frozen=True):
    """Where one person is, with names."""

    where: Whereabouts
    name: str
    place: str
    zone: str | None


@click.command(name="who", short_help="Show who is where.", epilog=EXAMPLES)
@config_option
@click.option("--at", help="ISO 8601 with a zone, such as 2026-10-20T10:30:00+02:00; default now.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the databases, such as that of `isthmus replay --data`; default the settings' own.",
)
@click.option("--site", help="Only those whose last known site is this.")
@click.option("--all", "everyone", is_flag=True, help="Those outside as well.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a person, one a line.")
@click.argument("person", required=False)
def who(  # noqa: PLR0913  one a command-line option
    config: Path,
    at: str | None,
    data: Path | None,
    site: str | None,
    person: str | None,
    *,
    everyone: bool,
    as_json: bool,
) -> None:
    """Show who is inside which site and place, since when, by which reader, and how sure that is.

    PERSON is part of an id or a name. Everything that badge readers, visitor desks and consoles told is kept for
    `retention.presence` and asked in order of time up to --at: what came late counts where it happened. The engine
    may be running. Workers on Kafka keep nothing of the kind: ask a replay with --data. Exit code 1 when nobody is
    found.
    """
    try:
        settings = load_settings(config)
        if settings.kafka is not None and data is None:
            raise SettingsError(_NOT_ON_KAFKA)  # noqa: TRY301  one place that reports
        settings = msgspec.structs.replace(settings, data_dir=data or settings.data_dir)
        at_ns = _time(at)
        found = [each for each in _people(settings, at_ns) if _is_asked(each, person, site, everyone=everyone)]
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except StateError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        for each in found:
            click.echo(msgspec.json.encode(_object(each)).decode())
    else:
        _print(found, at_ns)
    if not found:
        click.echo(f"nobody{f' like {person!r}' if person else ''} was seen in time", err=True)
        sys.exit(1)


def _time(at: str | None) -> int:
    if at is None:
        return SystemClock().now_ns()
    time_ns = instant_ns(at)
    if time_ns is None or not ("T" in at and (at.endswith(("Z", "z")) or at[-6:-5] in {"+", "-"})):
        raise click.UsageError(f"--at: {at!r} is not a time with its zone, such as 2026-10-20T10:30:00+02:00")
    return time_ns


def _people(settings: Settings, at_ns: int) -> list[_Told]:
    path = settings.data_dir / "engine.db"
    if not path.exists():
        raise SettingsError(f"{path}: does not exist; the engine of these settings has not run yet")
    store = EngineStore(path, durable=settings.durable)
    try:
        history = read_history(store.state("presence", 0), int(settings.retention.presence))
        context = ContextStore()
        for rows in store.context():
            context.apply(rows)
    finally:
        store.close()
    _check_kept(history, at_ns, settings)
    view = context.view(FOREVER - 1, at_ns)
    told = (whereabouts(history.of(person), at_ns) for person in history.people())
    return sorted((_named(each, view) for each in told if each is not None), key=_order)


def _check_kept(history: History, at_ns: int, settings: Settings) -> None:
    oldest_ns = history.newest_ns - int(settings.retention.presence)
    if at_ns < oldest_ns:
        raise SettingsError(
            f"--at lies before {utc(oldest_ns)[:19]}Z, what is kept by `retention.presence`; keep more, or replay the "
            "raw records of that day (isthmus replay --data FOLDER) and ask with --data FOLDER"
        )


def _named(where: Whereabouts, view: View) -> _Told:
    person, site = view.person(where.person), view.location(where.site)
    place = view.location(where.path[-1]) if where.path else None
    name = person.name if person is not None else None
    shown = place.name if place is not None and place.name else where.path[-1] if where.path else ""
    return _Told(where, name or "", shown, site.timezone if site is not None else None)


def _is_asked(told: _Told, person: str | None, site: str | None, *, everyone: bool) -> bool:
    where = told.where
    if site is not None and where.site != site:
        return False
    if person is not None:
        return person.lower() in f"{where.person}\n{told.name}".lower()
    return everyone or where.state != "outside"


def _order(told: _Told) -> tuple[str, str, str]:
    return told.where.site, "/".join(told.where.path), told.where.person


def _object(told: _Told) -> dict[str, object]:
    where = told.where
    return {
        "person": where.person,
        "name": told.name or None,
        "state": where.state,
        "site": where.site or None,
        "path": list(where.path),
        "place": told.place or None,
        "since": utc(where.since_ns),
        "seen": utc(where.seen_ns),
        "uncertainty_seconds": where.uncertainty_ns / 1e9,
        "by": where.by or None,
        "sure": where.sure,
        "why": where.why or None,
    }


def _print(found: list[_Told], at_ns: int) -> None:
    zone = found[0].zone if found else None
    click.echo(f"at {local(at_ns, zone)}, by what had happened until then")
    if not found:
        return
    rows = [_HEAD, *(_row(each) for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD) - 1)]
    for line in _lines(rows, widths):
        click.echo(line)
    counts = {state: sum(each.where.state == state for each in found) for state in ("inside", "unaccounted", "unknown")}
    click.echo(", ".join(f"{count} {state}" for state, count in counts.items() if count), err=True)


def _lines(rows: list[tuple[str, ...]], widths: list[int]) -> Iterator[str]:
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[-1]]).rstrip()


def _row(told: _Told) -> tuple[str, ...]:
    where = told.where
    sign = f"{_short(where.seen_ns, told.zone)} {where.by}".strip()
    sure = where.sure if not where.why else f"{where.sure}: {where.why}"
    return (
        where.person,
        told.name or "-",
        where.state,
        where.site or "?",
        told.place or "-",
        _short(where.since_ns, told.zone),
        sign,
        sure,
    )


def _short(time_ns: int, zone: str | None) -> str:
    """Write a time to the minute, in the site's own zone."""
    return local(time_ns, zone)[:16].replace("T", " ")
