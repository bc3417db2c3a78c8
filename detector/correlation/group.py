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
    """What one call did to a group's stored state.

    Attributes:
        forgotten: Candidates to delete.
        group: The group's own entry changed.
        decisions: Trigger ids whose decision changed.
        timers: Timers to set.
    """

    forgotten: list[Candidate] = []
    group: bool = False
    decisions: list[str] = []
    timers: list[Timer] = []


class Group(Protocol):
    """Candidates of one group and what follows from them.

    Attributes:
        window: Retained candidates.
        state: Episode; written when it changes.
        decisions: Decided triggers by event id; empty for types with episodes.
    """

    window: Window
    state: GroupState
    decisions: dict[str, Decision]

    def apply(self, candidate: Candidate, order_ns: int, effects: Effects) -> Changes:
        """Apply a candidate at its order value."""
        ...

    def fire(self, timer: Timer, order_ns: int, effects: Effects) -> Changes:
        """Look again as a timer asks; one that is no longer wanted does nothing."""
        ...

    def take_back(self, candidate: Candidate) -> None:
        """Restore an applied candidate."""
        ...

    def wanted_timers(self) -> Iterator[Timer]:
        """Return all timers that must run, after a restore."""
        ...

    def is_empty(self) -> bool:
        """Whether nothing is left to keep."""
        ...
