"""Where a person is at a time: what was told until then, one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from detector.presence.sighting import Sighting

DECAY_NS = 14 * 3_600 * 10**9
"""After so long without a sign nobody is taken to be where they were: the longest shift, and its overtime."""

State = Literal["inside", "outside", "mustered", "unaccounted", "unknown"]
Sure = Literal["sure", "likely", "unsure"]


class Whereabouts(msgspec.Struct, frozen=True, kw_only=True):
    """Where one person is.

    Attributes:
        person: Who.
        state: `unaccounted`: an evacuation began and the person was inside. `unknown`: last known there.
        site: Site, empty when unknown; the last one.
        path: Ids of places from the site down; the last known ones.
        since_ns: Since when the state holds, and at this site.
        seen_ns: When the last sign was.
        by: The door or machine that gave it.
        uncertainty_ns: Of that sign's time.
        sure: How sure that is.
        why: Why it is not sure; empty when it is.
    """

    person: str
    state: State
    site: str
    path: tuple[str, ...]
    since_ns: int
    seen_ns: int
    by: str
    uncertainty_ns: int
    sure: Sure = "sure"
    why: str = ""


def whereabouts(sightings: Iterable[Sighting], at_ns: int, decay_ns: int = DECAY_NS) -> Whereabouts | None:
    """Return where a person is at a time; None when nothing was told until then.

    Args:
        sightings: Of the person, and of everyone, in any order.
        at_ns: The time.
        decay_ns: After so long without a sign it is unknown.
    """
    found: Whereabouts | None = None
    for each in sorted(sightings, key=lambda each: (each.time_ns, each.event_id)):
        if each.time_ns > at_ns:
            break
        found = _after(found, each)
    if found is None or found.state in {"outside", "unknown"} or at_ns - found.seen_ns <= decay_ns:
        return found
    hours = (at_ns - found.seen_ns) / (3_600 * 10**9)
    return _forgotten(found, found.seen_ns + decay_ns, f"no sign for {hours:.0f} h")


def _after(before: Whereabouts | None, sighting: Sighting) -> Whereabouts | None:
    """Return where somebody is once something more was told."""
    if sighting.kind == "muster":
        return _evacuated(before, sighting)
    if sighting.kind == "reset":
        return before if before is None else _reset(before, sighting)
    if sighting.kind == "mustered":
        return _told(before, sighting, "mustered")
    if not sighting.path:
        return _told(before, sighting, "outside")
    sure, why = _sureness(before, sighting)
    return msgspec.structs.replace(_told(before, sighting, "inside"), sure=sure, why=why)


def _told(before: Whereabouts | None, sighting: Sighting, state: State) -> Whereabouts:
    goes_on = before is not None and before.state == state and before.site == sighting.site
    return Whereabouts(
        person=sighting.person,
        state=state,
        site=sighting.site,
        path=sighting.path,
        since_ns=before.since_ns if goes_on and before is not None else sighting.time_ns,
        seen_ns=sighting.time_ns,
        by=sighting.by,
        uncertainty_ns=sighting.uncertainty_ns,
    )


def _sureness(before: Whereabouts | None, sighting: Sighting) -> tuple[Sure, str]:
    was_inside = before is not None and before.state == "inside"
    if sighting.kind == "passed":
        return "unsure", "the reader does not say which way"
    if was_inside and before is not None and before.site != sighting.site:
        return "likely", f"no exit was seen at {before.site or 'the place before'}"
    if sighting.kind == "seen":
        if was_inside and before is not None:
            return before.sure, before.why
        return "likely", "seen without having come in"
    if sighting.exits == "full":
        return "sure", ""
    return "likely", "some doors do not see people leave" if sighting.exits else "it is not known which doors see exits"


def _evacuated(before: Whereabouts | None, sighting: Sighting) -> Whereabouts | None:
    if before is None or before.state != "inside" or before.site != sighting.site:
        return before
    return msgspec.structs.replace(
        before, state="unaccounted", since_ns=sighting.time_ns, sure="unsure", why="evacuated, and not counted yet"
    )


def _reset(before: Whereabouts, sighting: Sighting) -> Whereabouts:
    concerns = sighting.person == before.person or sighting.site == before.site
    if not concerns or before.state not in {"inside", "unaccounted", "mustered"}:
        return before
    return _forgotten(before, sighting.time_ns, "the access system was reset")


def _forgotten(before: Whereabouts, since_ns: int, why: str) -> Whereabouts:
    return msgspec.structs.replace(before, state="unknown", since_ns=since_ns, sure="unsure", why=why)
