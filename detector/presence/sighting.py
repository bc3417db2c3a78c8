"""What one event tells of where a person is."""

from __future__ import annotations

from typing import Literal

import msgspec

from normalizers.event import EcsEvent, Value

Kind = Literal["in", "out", "passed", "seen", "mustered", "muster", "reset"]
"""What was told.

`in` and `out`: through a door. `passed`: through a door whose reader does not say which way. `seen`: at a machine.
`mustered`: counted at a muster point. `muster`: an evacuation began. `reset`: the access system forgot who is inside.
"""

CONSOLE = frozenset({"Interactive", "Unlock", "CachedInteractive"})
"""Types of logon for which somebody sits at the keyboard."""

_DOORS = frozenset({"access-granted", "access-taken"})
_MOVES: dict[str, Kind] = {"visitor-checked-in": "in", "visitor-checked-out": "out", "mustered": "mustered"}
_ABOUT_ALL: dict[str, Kind] = {"muster-started": "muster", "antipassback-reset": "reset"}
_DIRECTIONS: dict[object, Kind] = {"in": "in", "out": "out"}


class Sighting(msgspec.Struct, frozen=True, array_like=True):
    """One thing told of a person, or of everyone at a site.

    Attributes:
        person: Whom it is about; empty: everyone at the site.
        time_ns: When, corrected.
        event_id: Which event told it.
        kind: What was told.
        site: Where; empty when unknown.
        path: Ids of places from the site down to where the person is from then on; empty: outside the site.
        by: The door or machine that told it.
        exits: `full` when every door of the site sees people leave, `partial` when some do not; empty when unknown.
        uncertainty_ns: Of the time.
    """

    person: str
    time_ns: int
    event_id: str
    kind: Kind
    site: str
    path: tuple[str, ...]
    by: str
    exits: str
    uncertainty_ns: int


def sighting_of(event: EcsEvent) -> Sighting | None:
    """Return what an event tells; None for most events, and for people who share an account or card.

    Args:
        event: Corrected, with context.
    """
    fields = event.fields
    action = fields.get("event.action")
    person = _text(fields, "convergence.person.id")
    kind = _kind(action if isinstance(action, str) else "", fields)
    about_all = isinstance(action, str) and action in _ABOUT_ALL
    if kind is None or (not person and not about_all) or fields.get("convergence.person.type") == "shared":
        return None
    site = _text(fields, "convergence.location.site")
    return Sighting(
        person=person,
        time_ns=event.time_ns,
        event_id=event.id,
        kind=kind,
        site=site,
        path=_path(kind, site, fields),
        by=_by(fields),
        exits=_text(fields, "convergence.location.egress"),
        uncertainty_ns=event.uncertainty_ns,
    )


def _kind(action: str, fields: dict[str, Value]) -> Kind | None:
    if action in _DOORS:
        return _DIRECTIONS.get(fields.get("physical.reader.direction"), "passed")
    if action == "logged-in":
        return "seen" if fields.get("winlog.logon.type") in CONSOLE else None
    return _MOVES.get(action) or _ABOUT_ALL.get(action)


def _path(kind: Kind, site: str, fields: dict[str, Value]) -> tuple[str, ...]:
    """Return where one is after passing a door: what the door leads into, or out of."""
    path = tuple(filter(None, _text(fields, "convergence.location.path").split("/"))) or ((site,) if site else ())
    if kind in {"in", "out", "passed"} and len(path) > 1 and "physical.portal.id" in fields:
        path = path[:-1]  # without the door itself
    return path[:-1] if kind == "out" else path


def _by(fields: dict[str, Value]) -> str:
    paths = ("physical.portal.name", "physical.portal.id", "host.name", "convergence.asset.id", "observer.name")
    return next((found for path in paths if (found := _text(fields, path))), "")


def _text(fields: dict[str, Value], path: str) -> str:
    value = fields.get(path)
    return value[:_LONGEST] if isinstance(value, str) else ""


_LONGEST = 256
"""Characters of a name that are kept: it is stored with every sighting."""
