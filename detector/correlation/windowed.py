"""Groups whose condition is evaluated on each candidate, with episodes: the counting and temporal types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from detector.alert import AlertDraft
from detector.candidate import Candidate, GroupKey
from detector.correlation.composing import Composer
from detector.correlation.effects import Effects
from detector.correlation.group import Changes, Timer
from detector.correlation.groupstate import Decision, GroupState
from detector.correlation.hit import Hit
from detector.correlation.ordering import END_OF_INPUT, NOT_YET
from detector.correlation.sightings import Sighting
from detector.correlation.window import Window

MAX_NEWS = 64
"""Matches of an episode that wait to be written into its alert together."""


EXPIRED = "\x1fexpired"
"""Set after the id of an event whose expiry decided something: its application may have decided something else."""


class Condition(Protocol):
    """What must hold for a window; one object serves all groups of a correlation.

    Attributes:
        counts_rules: An event that matches two rules counts once for each.
        tallies: It keeps numbers with the window, which follow what enters and leaves.
    """

    counts_rules: bool
    tallies: bool

    def entered(self, window: Window, candidate: Candidate) -> None:
        """Learn of a candidate that entered the window; called when it tallies."""
        ...

    def left(self, window: Window, candidates: Sequence[Candidate]) -> None:
        """Learn of candidates that left the window; called when it tallies."""
        ...

    def hits(self, window: Window, candidate: Candidate, *, is_newest: bool, is_open: bool) -> Sequence[Hit]:
        """Return what holds now that a candidate was applied.

        Args:
            window: With the candidate in it.
            candidate: The candidate.
            is_newest: It stands at the end of the window.
            is_open: An alert has most of the evidence already: only the last is needed.
        """
        ...

    def holds_between(self, window: Window, start_ns: int, end_ns: int) -> bool:
        """Return whether it still holds between two times, the end of the window being the later one."""
        ...

    def between(self, window: Window, start_ns: int, end_ns: int, expired: Candidate) -> Hit | None:
        """Return what still holds between two times, after a candidate has left."""
        ...

    def next_change_ns(self, window: Window, expired_ns: int) -> int | None:
        """Return when a candidate leaves after which the condition may be another; None when none is left.

        Args:
            window: Retained candidates.
            expired_ns: Candidates up to this time have been evaluated as they left.
        """
        ...


class Windowing:
    """What all groups of one correlation share."""

    def __init__(self, composer: Composer, condition: Condition, max_candidates: int) -> None:
        plan = composer.plan
        self.composer = composer
        self.condition = condition
        self.max_candidates = max_candidates
        self.lateness_ns = plan.lateness_ns
        self.retention_ns = plan.retention_ns
        self.span_ns = plan.rule.timespan_ns
        self.max_episode_ns = plan.rule.max_episode_ns
        self.needs_silence = plan.needs_silence
        self.refires = plan.rule.refire == "every"
        self.closers = plan.rule.close
        self.counts_events = not condition.counts_rules and len(plan.rule.rules) > 1


class WindowedGroup:
    """A sliding window, its condition, and the episode while the condition holds."""

    __slots__ = ("_expiry", "_key", "_news", "_shared", "state", "window")

    def __init__(self, shared: Windowing, key: GroupKey) -> None:
        self.window = Window()
        self.state = GroupState()
        self._shared = shared
        self._key = key
        self._expiry: Timer | None = None
        self._news: list[tuple[Hit, int]] | None = None

    def apply(self, candidate: Candidate, order_ns: int, effects: Effects) -> Changes | None:
        """Apply a candidate: evict, insert, evaluate."""
        shared, window = self._shared, self.window
        forgotten = window.evict_before(order_ns - shared.retention_ns)
        if forgotten:
            self._forget(forgotten, effects)
        if not window.size and self.state.draft is None:
            # As a group that was just made: whether it was swept up in between must make no difference.
            self.state.expired_ns = NOT_YET
        if shared.counts_events and window.has_event(candidate.time_ns, candidate.event_id):
            if not window.holds(candidate):
                effects.forgotten.append(candidate)  # it counts under another rule, and is kept there
            return None
        is_newest = window.insert(candidate)
        if is_newest is None:
            return None
        if shared.condition.tallies:
            shared.condition.entered(window, candidate)
        if window.size > shared.max_candidates:
            evicted = window.evict_oldest(shared.max_candidates)
            effects.counts["evicted"] += len(evicted)
            self._forget(evicted, effects)
        if candidate.rule_name in shared.closers:
            return self._end(candidate, order_ns, effects)
        is_open = self.state.draft is not None and not shared.refires
        hits = shared.condition.hits(window, candidate, is_newest=is_newest, is_open=is_open)
        if not hits and self.state.draft is None and not shared.needs_silence:
            return None
        return self._evaluated(candidate, hits, order_ns, effects)

    def fire(self, timer: Timer, order_ns: int, effects: Effects) -> Changes | None:
        """Expire candidates, or close the episode."""
        changes = Changes()
        if timer.name == "expiry" and timer == self._expiry:
            self._expiry = None
            # What came meanwhile may have moved the next change; then this timer has nothing to say.
            if timer.at_ns == self._next_change_ns():
                self._expire(timer.at_ns, order_ns, effects, changes)
            self._watch_expiry(changes)
        elif timer.name == "close" and timer == self._closing():
            self._close(order_ns, effects, changes)
        return changes

    def revise(self, effects: Effects) -> None:
        """Write the matches that wait into the alert."""
        if self._news is None or self.state.draft is None:
            return
        hits = [hit for hit, _ in self._news]
        order_ns = self._news[-1][1]
        self.state.draft = self._shared.composer.extended(self.state.draft, hits, order_ns)
        self._news = None
        effects.draft(self.state.draft)
        if self._shared.closers and self.state.draft.status == "active":
            self._end_at_once(order_ns, effects)

    def sweep(self, order_ns: int, effects: Effects) -> Changes | None:
        """Forget what is too old."""
        forgotten = self.window.evict_before(order_ns - self._shared.retention_ns)
        if forgotten:
            self._forget(forgotten, effects)
        return None

    def dissolve(self, order_ns: int, effects: Effects) -> Changes | None:
        """Forget everything; an open episode is closed."""
        changes = Changes()
        if self.state.draft is not None:
            self._close(order_ns, effects, changes)
        self._forget(self.window.evict_oldest(0), effects)
        return changes

    def take_back(self, candidate: Candidate) -> None:
        """Restore an applied candidate."""
        self.window.insert(candidate)

    def decision(self, event_id: str) -> Decision | None:  # noqa: ARG002  the protocol's
        """Types with episodes decide no single trigger."""
        return None

    def take_back_decision(self, decision: Decision | Sighting) -> None:
        """Types with episodes decide no single trigger."""

    def wanted_timers(self) -> Iterator[Timer]:
        """Return the timers that follow from the state."""
        changes = Changes()
        self._watch_expiry(changes)
        yield from changes.timers
        closing = self._closing()
        if closing is not None and self.state.draft is not None:
            yield closing
            yield Timer(self.state.draft.opened_ns + self._shared.max_episode_ns, "close")

    def is_empty(self) -> bool:
        """Whether neither a candidate nor an episode is left."""
        return not self.window.size and self.state.draft is None

    def _forget(self, candidates: list[Candidate], effects: Effects) -> None:
        if self._shared.condition.tallies:
            self._shared.condition.left(self.window, candidates)
        effects.forgotten += candidates

    def _evaluated(self, candidate: Candidate, hits: Sequence[Hit], order_ns: int, effects: Effects) -> Changes | None:
        changes = Changes()
        late = candidate.ready_ns - candidate.time_ns > self._shared.lateness_ns
        for index, hit in enumerate(hits):
            hit.late = late
            self._take(hit, order_ns, effects, changes, first=index == 0)
        if late:
            self._rewrite(effects, changes)
        if self.state.draft is not None and not hits and not late and self.state.false_since_ns is None:
            self._became_false(candidate.time_ns, changes)
        self._watch_expiry(changes)
        return changes

    def _take(self, hit: Hit, order_ns: int, effects: Effects, changes: Changes, *, first: bool) -> None:
        shared, state = self._shared, self.state
        if not shared.composer.claim(hit, self._key):
            return
        hit.ahead = effects.ahead
        if first:
            for result in shared.composer.result(hit, self._key, order_ns):
                effects.result(result)
        if not shared.composer.generates:
            return
        if shared.refires:
            effects.draft(shared.composer.draft(hit, self._key, order_ns, "closed"))
            return
        if state.draft is None:
            self._open(hit, order_ns, effects, changes)
        else:
            self._note(hit, order_ns, effects, changes)
        if state.false_since_ns is not None and hit.time_ns >= state.false_since_ns:
            # A late hit from before the condition became false does not make it true again.
            state.false_since_ns = None
        changes.group = True

    def _open(self, hit: Hit, order_ns: int, effects: Effects, changes: Changes) -> None:
        shared, state = self._shared, self.state
        # Whatever left the window before this moment has no say in this episode.
        if not shared.needs_silence:
            state.expired_ns = hit.time_ns - shared.span_ns - 1
            self._expiry = None
        state.draft = shared.composer.draft(hit, self._key, order_ns, "active")
        effects.draft(state.draft)
        self._end_at_once(order_ns, effects)
        changes.timers.append(Timer(state.draft.opened_ns + shared.max_episode_ns, "close"))

    def _end(self, closer: Candidate, order_ns: int, effects: Effects) -> Changes:
        """Tell that what the alert is about has ended; a further match within a timespan takes it up again."""
        changes = Changes()
        self.revise(effects)
        draft = self.state.draft
        if draft is not None and closer.time_ns >= self._last_evidence_ns(draft):
            self._write_end(closer, order_ns, effects)
            changes.group = True
            closing = self._closing()
            if closing is not None:
                changes.timers.append(closing)
        self._watch_expiry(changes)
        return changes

    def _end_at_once(self, order_ns: int, effects: Effects) -> None:
        """Tell that what was found just now had ended before it was found."""
        if not self._shared.closers or self.state.draft is None:
            return
        from_ns = self._last_evidence_ns(self.state.draft)
        ends = [self.window.of_rule(rule).last_between(from_ns, END_OF_INPUT - 1, 1) for rule in self._shared.closers]
        newest = max((entry for found in ends for entry in found), default=None)
        if newest is not None:
            self._write_end(newest[3], order_ns, effects)

    def _last_evidence_ns(self, draft: AlertDraft) -> int:
        """Return when the last event happened that an alert rests on, also through inner results."""
        return max(step.time_ns for step in draft.steps if step.rule_name not in self._shared.closers)

    def _write_end(self, closer: Candidate, order_ns: int, effects: Effects) -> None:
        if self.state.draft is not None:
            self.state.draft = self._shared.composer.ended(self.state.draft, closer, order_ns)
            effects.draft(self.state.draft)

    def _note(self, hit: Hit, order_ns: int, effects: Effects, changes: Changes) -> None:
        """Keep a further match of the episode until the end of the batch."""
        changes.news = True
        if self._news is None:
            self._news = []
        self._news.append((hit, order_ns))
        has_ended = self.state.draft is not None and self.state.draft.status == "closed"
        if len(self._news) >= MAX_NEWS or has_ended:
            self._rewrite(effects, changes)

    def _rewrite(self, effects: Effects, changes: Changes) -> None:
        """Write the matches that wait; late ones may change when the episode began."""
        before = self.state.draft
        self.revise(effects)
        draft = self.state.draft
        if before is not None and draft is not None and draft.opened_ns < before.opened_ns:
            changes.timers.append(Timer(draft.opened_ns + self._shared.max_episode_ns, "close"))

    def _expire(self, at_ns: int, order_ns: int, effects: Effects, changes: Changes) -> None:
        """Evaluate what is left once the candidates of one instant have left the window."""
        left_ns = at_ns - self._shared.span_ns
        leaving = self.window.between(left_ns, left_ns)
        self.state.expired_ns = left_ns
        changes.group = True
        if not leaving:
            return
        if self._shared.needs_silence:
            self._expire_silently(left_ns, at_ns, leaving[-1][3], order_ns, effects, changes)
        elif self.state.draft is not None:
            # Less can make it false only; what was true all along opened its episode when it became so.
            self._holds_on(self._shared.condition.holds_between(self.window, left_ns + 1, at_ns), at_ns, changes)

    def _expire_silently(  # noqa: PLR0913, PLR0917  one expiry
        self, left_ns: int, at_ns: int, expired: Candidate, order_ns: int, effects: Effects, changes: Changes
    ) -> None:
        """Look at what less can make true: an alert, and what an outer correlation hears with or without one."""
        hit = self._shared.condition.between(self.window, left_ns + 1, at_ns, expired)
        if hit is not None:
            hit.decided_by = f"{hit.decided_by}{EXPIRED}"
            hit.late = order_ns > at_ns
        if self.state.draft is not None:
            self._holds_on(hit is not None, at_ns, changes)
            if hit is not None and self._shared.composer.claim(hit, self._key):
                for result in self._shared.composer.result(hit, self._key, order_ns):
                    effects.result(result)
        elif hit is not None:
            self._take(hit, order_ns, effects, changes, first=True)

    def _holds_on(self, holds: bool, at_ns: int, changes: Changes) -> None:
        if holds:
            self.state.false_since_ns = None
        elif self.state.false_since_ns is None:
            self._became_false(at_ns, changes)

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
        at_ns = state.draft.opened_ns + self._shared.max_episode_ns
        goes_on = self._shared.closers and state.draft.status == "active"
        if state.false_since_ns is not None and not goes_on:
            at_ns = min(at_ns, state.false_since_ns + self._shared.span_ns)
        return Timer(at_ns, "close")

    def _close(self, order_ns: int, effects: Effects, changes: Changes) -> None:
        self.revise(effects)
        if self.state.draft is not None and self.state.draft.status != "closed":
            effects.draft(msgspec.structs.replace(self.state.draft, status="closed", ready_ns=order_ns))
        self.state.draft = None
        self.state.false_since_ns = None
        changes.group = True

    def _watch_expiry(self, changes: Changes) -> None:
        at_ns = self._next_change_ns()
        if at_ns is not None and (self._expiry is None or at_ns < self._expiry.at_ns):
            self._expiry = Timer(at_ns, "expiry")
            changes.timers.append(self._expiry)

    def _next_change_ns(self) -> int | None:
        if self._shared.needs_silence or self.state.draft is not None:
            return self._shared.condition.next_change_ns(self.window, self.state.expired_ns)
        return None
