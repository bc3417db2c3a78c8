"""Groups whose condition is evaluated on each candidate, with episodes: the counting and temporal types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from detector.candidate import Candidate, GroupKey
from detector.correlation.composing import Composer
from detector.correlation.effects import Effects
from detector.correlation.group import Changes, Timer
from detector.correlation.groupstate import Decision, GroupState
from detector.correlation.hit import Hit
from detector.correlation.window import Window

EXPIRED = "\x1fexpired"
"""Set after the id of an event whose expiry decided something: its application may have decided something else."""


class Condition(Protocol):
    """What must hold for a window.

    Attributes:
        counts_rules: An event that matches two rules counts once for each.
    """

    counts_rules: bool

    def inserted(self, candidate: Candidate) -> None:
        """Learn of a candidate that entered the window."""
        ...

    def evicted(self, candidate: Candidate) -> None:
        """Learn of a candidate that left the window."""
        ...

    def hits(self, window: Window, candidate: Candidate) -> Iterator[Hit]:
        """Yield what holds now that a candidate was applied."""
        ...

    def between(self, window: Window, start_ns: int, end_ns: int, expired: Candidate) -> Hit | None:
        """Return what still holds between two times, after a candidate has left."""
        ...


class WindowedGroup:
    """A sliding window, its condition, and the episode while the condition holds."""

    def __init__(self, composer: Composer, key: GroupKey, condition: Condition, max_candidates: int) -> None:
        self.window = Window()
        self.state = GroupState()
        self.decisions: dict[str, Decision] = {}
        self._composer = composer
        self._plan = composer.plan
        self._key = key
        self._condition = condition
        self._max_candidates = max_candidates
        self._expiry: Timer | None = None
        self._sweep: Timer | None = None

    def apply(self, candidate: Candidate, order_ns: int, effects: Effects) -> Changes:
        """Apply a candidate: evict, insert, evaluate."""
        changes = Changes()
        self._evict_before(order_ns - self._plan.retention_ns, changes)
        if not self._insert(candidate):
            same = self.window.rule_between(candidate.rule_name, candidate.time_ns, candidate.time_ns)
            if all(event_id != candidate.event_id for _, event_id, _, _ in same):
                changes.forgotten.append(candidate)  # it counts under another rule, and is kept there
            return changes
        self._bound(effects, changes)
        late = candidate.ready_ns - candidate.time_ns > self._plan.lateness_ns
        held = False
        for index, hit in enumerate(self._condition.hits(self.window, candidate)):
            hit.late = late
            held = True
            self._take(hit, order_ns, effects, changes, first=index == 0)
        if self.state.draft is not None and not held and not late and self.state.false_since_ns is None:
            self._became_false(candidate.time_ns, changes)
        self._watch_expiry(changes)
        self._watch_sweep(changes)
        return changes

    def fire(self, timer: Timer, order_ns: int, effects: Effects) -> Changes:
        """Expire candidates, close the episode or sweep up."""
        changes = Changes()
        if timer.name == "expiry" and timer == self._expiry:
            self._expiry = None
            self._expire(timer.at_ns, order_ns, effects, changes)
            self._watch_expiry(changes)
        elif timer.name == "close" and timer == self._closing():
            self._close(order_ns, effects, changes)
        elif timer.name == "sweep" and timer == self._sweep:
            self._sweep = None
            self._evict_before(timer.at_ns - self._plan.retention_ns, changes)
            self._watch_sweep(changes)
        return changes

    def take_back(self, candidate: Candidate) -> None:
        """Restore an applied candidate."""
        self._insert(candidate)

    def wanted_timers(self) -> Iterator[Timer]:
        """Return the timers that follow from the state."""
        changes = Changes()
        self._watch_expiry(changes)
        self._watch_sweep(changes)
        yield from changes.timers
        closing = self._closing()
        if closing is not None and self.state.draft is not None:
            yield closing
            yield Timer(self.state.draft.opened_ns + self._plan.rule.max_episode_ns, "close")

    def is_empty(self) -> bool:
        """Whether neither a candidate nor an episode is left."""
        return not self.window.entries and self.state.draft is None

    def _insert(self, candidate: Candidate) -> bool:
        if not self._condition.counts_rules and self.window.has_event(candidate.time_ns, candidate.event_id):
            return False
        if not self.window.insert(candidate):
            return False
        self._condition.inserted(candidate)
        return True

    def _evict_before(self, time_ns: int, changes: Changes) -> None:
        self._evicted(self.window.evict_before(time_ns), changes)

    def _bound(self, effects: Effects, changes: Changes) -> None:
        evicted = self.window.evict_oldest(self._max_candidates)
        if evicted:
            effects.counts["evicted"] += len(evicted)
            self._evicted(evicted, changes)

    def _evicted(self, candidates: list[Candidate], changes: Changes) -> None:
        for candidate in candidates:
            self._condition.evicted(candidate)
        changes.forgotten.extend(candidates)

    def _take(self, hit: Hit, order_ns: int, effects: Effects, changes: Changes, *, first: bool) -> None:
        if not self._composer.claim(hit, self._key):
            return
        if first:
            for result in self._composer.result(hit, self._key, order_ns):
                effects.result(result)
        if not self._plan.rule.meta.generate:
            return
        if self._plan.rule.refire == "every":
            effects.draft(self._composer.draft(hit, self._key, order_ns, "closed"))
            return
        state = self.state
        if state.draft is None:
            # Whatever left the window before this moment has no say in this episode.
            if not self._plan.needs_silence:
                state.expired_ns = hit.time_ns - self._plan.rule.timespan_ns - 1
                self._expiry = None
            state.draft = self._composer.draft(hit, self._key, order_ns, "active")
            changes.timers.append(Timer(state.draft.opened_ns + self._plan.rule.max_episode_ns, "close"))
        else:
            opened_ns = state.draft.opened_ns
            state.draft = self._composer.extended(state.draft, hit, order_ns)
            if state.draft.opened_ns < opened_ns:
                changes.timers.append(Timer(state.draft.opened_ns + self._plan.rule.max_episode_ns, "close"))
        if state.false_since_ns is not None and hit.time_ns >= state.false_since_ns:
            # A late hit from before the condition became false does not make it true again.
            state.false_since_ns = None
        effects.draft(state.draft)
        changes.group = True

    def _expire(self, at_ns: int, order_ns: int, effects: Effects, changes: Changes) -> None:
        """Evaluate what is left once the candidates of one instant have left the window."""
        span_ns = self._plan.rule.timespan_ns
        left_ns = at_ns - span_ns
        leaving = self.window.between(left_ns, left_ns)
        self.state.expired_ns = left_ns
        changes.group = True
        if not leaving:
            return
        hit = self._condition.between(self.window, left_ns + 1, at_ns, leaving[-1][3])
        if hit is not None:
            hit.decided_by = f"{hit.decided_by}{EXPIRED}"
        if self.state.draft is None:
            # Less can make only these true; what was true all along opened its episode when it became so.
            if hit is not None and self._plan.needs_silence:
                self._take(hit, order_ns, effects, changes, first=True)
        elif hit is None and self.state.false_since_ns is None:
            self._became_false(at_ns, changes)
        elif hit is not None:
            self.state.false_since_ns = None
            if self._plan.needs_silence and self._composer.claim(hit, self._key):
                # Episodes concern alerts only: an outer correlation hears of it as it would without one.
                for result in self._composer.result(hit, self._key, order_ns):
                    effects.result(result)

    def _became_false(self, time_ns: int, changes: Changes) -> None:
        self.state.false_since_ns = time_ns
        changes.group = True
        closing = self._closing()
        if closing is not None:
            changes.timers.append(closing)

    def _closing(self) -> Timer | None:
        state = self.state
        if state.draft is None:
            return None
        at_ns = state.draft.opened_ns + self._plan.rule.max_episode_ns
        if state.false_since_ns is not None:
            at_ns = min(at_ns, state.false_since_ns + self._plan.rule.timespan_ns)
        return Timer(at_ns, "close")

    def _close(self, order_ns: int, effects: Effects, changes: Changes) -> None:
        if self.state.draft is not None:
            effects.draft(msgspec.structs.replace(self.state.draft, status="closed", ready_ns=order_ns))
        self.state.draft = None
        self.state.false_since_ns = None
        changes.group = True

    def _watch_expiry(self, changes: Changes) -> None:
        if self._expiry is not None or not (self._plan.needs_silence or self.state.draft is not None):
            return
        following = self.window.first_after(self.state.expired_ns)
        if following is not None:
            self._expiry = Timer(following[0] + self._plan.rule.timespan_ns, "expiry")
            changes.timers.append(self._expiry)

    def _watch_sweep(self, changes: Changes) -> None:
        if self._sweep is None and self.window.entries:
            self._sweep = Timer(self.window.entries[-1][0] + self._plan.retention_ns + 1, "sweep")
            changes.timers.append(self._sweep)
