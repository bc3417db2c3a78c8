"""`travel`: one person at two places faster than anyone moves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import msgspec

from detector.candidate import Candidate, GroupKey
from detector.correlation.composing import Composer
from detector.correlation.effects import Effects
from detector.correlation.group import Changes, Timer
from detector.correlation.groupstate import Decision, GroupState
from detector.correlation.hit import Hit
from detector.correlation.places import Place, Way, place_of, way_between
from detector.correlation.plan import CorrelationSettings
from detector.correlation.sightings import Sighting
from detector.correlation.window import Entry, Window
from detector.rules.model import CorrelationRule, Travel
from normalizers.event import Value

SHARED = "convergence.person.type"
"""`shared` of what several people use: it may well be at two places."""


MAX_COMPARED = 100
"""Events that one is compared with at most, while no move can be judged: a flood must not cost its square."""


class Move(msgspec.Struct, frozen=True):
    """Two events at two places.

    Attributes:
        before: The earlier one.
        after: The later one.
        origin: Where the earlier one happened.
        target: Where the later one happened.
        way: How long it takes at least.
    """

    before: Candidate
    after: Candidate
    origin: Place
    target: Place
    way: Way

    @property
    def elapsed_ns(self) -> int:
        """Time between the two, by their clocks."""
        return self.after.time_ns - self.before.time_ns

    @property
    def doubt_ns(self) -> int:
        """How much longer it may have been: both clocks' uncertainty, also when one clock made both stamps."""
        return self.before.uncertainty_ns + self.after.uncertainty_ns

    @property
    def is_impossible(self) -> bool:
        """Whether it was too fast, whatever the clocks."""
        return self.elapsed_ns + self.doubt_ns < self.way.least_ns

    def settles(self, candidate: Candidate) -> bool:
        """Whether one of the two need not be compared with what lies beyond the other.

        The other one was: whoever could have been there and had the time to come here could have been here, unless
        the other one's clock left more doubt.
        """
        other = self.after if self.before is candidate else self.before
        return self.elapsed_ns >= self.way.least_ns + max(other.uncertainty_ns - candidate.uncertainty_ns, 0)


class TravelGroup:
    """Compares each event of a person with the one before it, and with earlier ones while only doubt allows the move.

    One that comes late is compared with the one after it as well.
    """

    __slots__ = ("_composer", "_key", "_max_candidates", "_travel", "window")

    state = GroupState()
    """Each move is an alert of its own: there are no episodes."""

    def __init__(self, composer: Composer, key: GroupKey, settings: CorrelationSettings) -> None:
        travel = composer.plan.rule.travel
        assert travel is not None  # noqa: S101  the level picks the class by this
        self.window = Window()
        self._travel: Travel = travel
        self._composer = composer
        self._key = key
        self._max_candidates = settings.max_candidates

    def apply(self, candidate: Candidate, order_ns: int, effects: Effects) -> Changes | None:
        """Keep an event that has a place, and report a move that nobody can make."""
        plan = self._composer.plan
        effects.forgotten += self.window.evict_before(order_ns - plan.retention_ns)
        reason = left_out(plan.rule, candidate)
        if reason or self.window.insert(candidate) is None:
            effects.counts.update([reason] if reason else [])
            effects.forgotten += [candidate] if reason else []
            return None
        evicted = self.window.evict_oldest(self._max_candidates)
        effects.counts["evicted"] += len(evicted)
        effects.forgotten += evicted
        move = self._move(candidate, effects)
        if move is not None:
            self._report(move, candidate, order_ns, effects)
        return None

    def fire(self, timer: Timer, order_ns: int, effects: Effects) -> Changes | None:
        """There is nothing to wait for."""

    def revise(self, effects: Effects) -> None:
        """Each move is an alert of its own, written at once."""

    def sweep(self, order_ns: int, effects: Effects) -> Changes | None:
        """Forget what is too old."""
        effects.forgotten += self.window.evict_before(order_ns - self._composer.plan.retention_ns)
        return None

    def dissolve(self, order_ns: int, effects: Effects) -> Changes | None:  # noqa: ARG002  the protocol's
        """Forget everything."""
        effects.forgotten += self.window.evict_oldest(0)
        return None

    def take_back(self, candidate: Candidate) -> None:
        """Restore an applied candidate."""
        self.window.insert(candidate)

    def decision(self, event_id: str) -> Decision | None:
        """Nothing is kept of a move that was reported."""

    def take_back_decision(self, decision: Decision | Sighting) -> None:
        """Nothing is kept of a move that was reported."""

    def wanted_timers(self) -> Iterator[Timer]:
        """There is nothing to wait for."""
        return iter(())

    def is_empty(self) -> bool:
        """Whether nothing is left to keep."""
        return not len(self.window)

    def _move(self, candidate: Candidate, effects: Effects) -> Move | None:
        """Return the impossible move that ends with an event, else the one that begins with it."""
        span_ns = self._composer.plan.rule.timespan_ns
        before = self.window.backwards(candidate.time_ns)
        earlier = self._first(candidate, (each for each in before if each[0] >= candidate.time_ns - span_ns), effects)
        if earlier is not None:
            return earlier
        after = self.window.between(candidate.time_ns + 1, candidate.time_ns + span_ns)
        return self._first(candidate, iter(after), effects)

    def _first(self, candidate: Candidate, others: Iterator[Entry], effects: Effects) -> Move | None:
        unjudged = False
        unlike = (entry[3] for entry in others if entry[1] != candidate.event_id)
        for other in islice(unlike, MAX_COMPARED):
            move = move_between(self._travel, other, candidate)
            unjudged = unjudged or move is None
            if move is not None and (move.is_impossible or move.settles(candidate)):
                break
        else:
            move = None
        effects.counts["distanceless"] += unjudged
        return move if move is not None and move.is_impossible else None

    def _report(self, move: Move, candidate: Candidate, order_ns: int, effects: Effects) -> None:
        hit = hit_of(self._travel, move, candidate)
        hit.late = candidate.ready_ns - candidate.time_ns > self._composer.plan.lateness_ns
        hit.ahead = effects.ahead
        if not self._composer.claim(hit, self._key):
            return
        for result in self._composer.result(hit, self._key, order_ns):
            effects.result(result)
        if self._composer.generates:
            effects.draft(self._composer.draft(hit, self._key, order_ns, "closed", opened_by=candidate))


def left_out(rule: CorrelationRule, candidate: Candidate) -> str:
    """Say why an event tells nothing of where a person is: `shared`, `placeless`; empty when it does tell."""
    if candidate.fields.get(SHARED) == "shared":
        return "shared"
    travel = rule.travel
    return "placeless" if travel is None or place_of(travel.place, candidate.fields) is None else ""


def move_between(travel: Travel, one: Candidate, other: Candidate) -> Move | None:
    """Return the move between two events that have a place; None when nothing says how far these are apart."""
    before, after = sorted((one, other), key=lambda each: (each.time_ns, each.event_id))
    origin, target = place_of(travel.place, before.fields), place_of(travel.place, after.fields)
    way = None if origin is None or target is None else way_between(origin, target, travel.speed_kmh)
    return None if origin is None or target is None or way is None else Move(before, after, origin, target, way)


def hit_of(travel: Travel, move: Move, decided_by: Candidate) -> Hit:
    """Return what is found when a move is impossible.

    Args:
        travel: The rule's own keys.
        move: The move.
        decided_by: Whichever of the two was applied last.
    """
    way = move.way
    origin, target = _ends(move)
    fields: dict[str, Value] = {
        "convergence.travel.from": move.origin.id,
        "convergence.travel.from_name": origin,
        "convergence.travel.to": move.target.id,
        "convergence.travel.to_name": target,
        "convergence.travel.elapsed": spoken(move.elapsed_ns),
        "convergence.travel.least": spoken(way.least_ns),
        "convergence.travel.elapsed_seconds": move.elapsed_ns / 1e9,
        "convergence.travel.least_seconds": way.least_ns / 1e9,
        "convergence.travel.uncertainty_seconds": move.doubt_ns / 1e9,
        "convergence.travel.basis": way.basis,
    }
    if way.distance_km is not None:
        fields["convergence.travel.distance_km"] = round(way.distance_km, 1)
    return Hit(
        anchor=move.after,
        evidence=(move.before, move.after),
        decided_by=decided_by.event_id,
        time_ns=move.after.time_ns,
        reason=reason_of(travel, move),
        fields=fields,
    )


def reason_of(travel: Travel, move: Move) -> str:
    """Say from where to where, in how long, and how long it takes at least."""
    origin, target = _ends(move)
    by = "a row says"
    if move.way.distance_km is not None:
        by = f"{move.way.distance_km:,.0f} km at {travel.speed_kmh:g} km/h"
    doubt = f", the clocks leave {spoken(move.doubt_ns)} of doubt" if move.doubt_ns else ""
    return (
        f"from {origin} to {target} in {spoken(move.elapsed_ns)}; "
        f"it takes {spoken(move.way.least_ns)} at least ({by}){doubt}"
    )


def spoken(span_ns: int) -> str:
    """Write a length of time as people do: ``2 h 34 min``, ``12 min``, ``48 s``."""
    seconds = round(span_ns / 1e9)
    if seconds < 120:
        return f"{span_ns / 1e9:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _ends(move: Move) -> tuple[str, str]:
    """Name the two places: by their sites when these differ, else by what tells them apart."""
    if move.origin.name != move.target.name:
        return move.origin.name, move.target.name
    return move.origin.id, move.target.id
