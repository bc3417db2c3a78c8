"""One group of one correlation: what its level needs to drive it, whatever the type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from detector.candidate import Candidate
from detector.correlation.effects import Effects
from detector.correlation.groupstate import Decision, GroupState
from detector.correlation.sightings import Sighting


class Timer(msgspec.Struct, frozen=True, order=True):
    """Something a group wants to look at when time has come so far.

    Attributes:
        at_ns: Order value.
        name: What for.
        event_id: Which trigger; empty for the group itself.
    """

    at_ns: int
    name: str
    event_id: str = ""


class Changes(msgspec.Struct):
    """What one call did to a group's stored state, beyond its candidates.

    Attributes:
        group: The group's own entry changed.
        news: A revision of its alert is waiting to be written (`Group.revise`).
        decisions: Trigger ids whose decision changed, or names of what is remembered.
        timers: Timers to set.
    """

    group: bool = False
    news: bool = False
    decisions: list[str] = []
    timers: list[Timer] = []


class Kept(Protocol):
    """What a group keeps, as its level counts and files it."""

    def __len__(self) -> int:
        """Return how much it is."""
        ...

    def filed_ns(self) -> int:
        """Return under which time the group is filed: a retention after it, it is looked at again."""
        ...


class Group(Protocol):
    """Candidates of one group and what follows from them.

    Candidates that it keeps no longer are handed to `Effects.forgotten`.

    Attributes:
        state: Episode; written when it changes.
    """

    state: GroupState

    @property
    def window(self) -> Kept:
        """What is retained: candidates, or what they brought."""
        ...

    def apply(self, candidate: Candidate, order_ns: int, effects: Effects) -> Changes | None:
        """Apply a candidate at its order value; None when nothing but the window changed."""
        ...

    def fire(self, timer: Timer, order_ns: int, effects: Effects) -> Changes | None:
        """Look again as a timer asks; one that is no longer wanted does nothing."""
        ...

    def revise(self, effects: Effects) -> None:
        """Write the revision of the alert that waits, if any."""
        ...

    def sweep(self, order_ns: int, effects: Effects) -> Changes | None:
        """Forget what is too old at an order value. When it happens must make no difference to what is found."""
        ...

    def dissolve(self, order_ns: int, effects: Effects) -> Changes | None:
        """Forget everything, because there are too many candidates in all."""
        ...

    def take_back(self, candidate: Candidate) -> None:
        """Restore an applied candidate."""
        ...

    def decision(self, event_id: str) -> Decision | Sighting | None:
        """Return what was decided about a trigger, or is remembered under a name; None for types with episodes."""
        ...

    def take_back_decision(self, decision: Decision | Sighting) -> None:
        """Restore a decision, or what was remembered."""
        ...

    def wanted_timers(self) -> Iterator[Timer]:
        """Return all timers that must run, after a restore."""
        ...

    def is_empty(self) -> bool:
        """Whether nothing is left to keep."""
        ...
