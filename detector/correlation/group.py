"""One group of one correlation: what its level needs to drive it, whatever the type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from detector.candidate import Candidate
from detector.correlation.effects import Effects
from detector.correlation.groupstate import Decision, GroupState
from detector.correlation.window import Window


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
        decisions: Trigger ids whose decision changed.
        timers: Timers to set.
    """

    group: bool = False
    news: bool = False
    decisions: list[str] = []
    timers: list[Timer] = []


class Group(Protocol):
    """Candidates of one group and what follows from them.

    Candidates that it keeps no longer are handed to `Effects.forgotten`.

    Attributes:
        window: Retained candidates.
        state: Episode; written when it changes.
    """

    window: Window
    state: GroupState

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

    def decision(self, event_id: str) -> Decision | None:
        """Return what was decided about a trigger; None for types with episodes."""
        ...

    def take_back_decision(self, decision: Decision) -> None:
        """Restore a decision."""
        ...

    def wanted_timers(self) -> Iterator[Timer]:
        """Return all timers that must run, after a restore."""
        ...

    def is_empty(self) -> bool:
        """Whether nothing is left to keep."""
        ...
