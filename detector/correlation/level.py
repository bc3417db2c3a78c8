"""One level of correlation: orders candidates and timers of all its groups, and keeps their state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from connectors.record import hashed_id
from detector.candidate import Candidate, GroupKey
from detector.correlation.composing import Composer
from detector.correlation.effects import Effects
from detector.correlation.group import Changes, Group, Timer
from detector.correlation.groups import Groups
from detector.correlation.groupstate import Decision, GroupState, closed_early
from detector.correlation.identity import group_id
from detector.correlation.liveness import Watch
from detector.correlation.ordering import END_OF_INPUT, NOT_YET, OrderedBuffer
from detector.correlation.plan import CorrelationSettings, Plan
from detector.correlation.routing import CandidateRouter
from detector.correlation.sightings import Sighting
from detector.correlation.statelog import StateLog, read_state
from detector.correlation.types import group_maker
from detector.task import DeadLetter, EngineEvent, Output

_OVERFLOW_NS = 3_600 * 10**9
"""An overflow is reported once in this time."""

_MAX_DOUBTED = 10_000
"""Sources whose doubtful clock is remembered to have been reported."""

_Timer = tuple[Groups, GroupKey, Timer]


class Level:
    """Applies candidates in order of (max(time, ready - L), event id), each once W - L has passed that value.

    Args:
        plans: Correlations of this level by id.
        router: Knows groups and who names whom.
        settings: Bounds and coverage.
        names: Rule id to name.
        watch: What was watched, and since when.

    Attributes:
        effects: What was caused since `take`.
        changed: Correlations whose stored state is of another meaning: it is deleted when it is met.
    """

    def __init__(
        self,
        plans: Mapping[str, Plan],
        router: CandidateRouter,
        settings: CorrelationSettings,
        names: Mapping[str, str],
        watch: Watch,
    ) -> None:
        self._router, self._names = router, names
        self._composers = {key: Composer(plan, router, names) for key, plan in plans.items()}
        self._groups = {
            key: Groups(plan, group_maker(self._composers[key], settings, watch)) for key, plan in plans.items()
        }
        self._longest_ns = max((plan.lateness_ns for plan in plans.values()), default=0)
        self._budget = settings.budget
        # Correlations that need silence never go on without a partition; the others may.
        self._strict = OrderedBuffer[_Timer]()
        self._eager = OrderedBuffer[_Timer]()
        self._log = StateLog() if settings.is_stored else None
        self._doubted: dict[tuple[str, str], int] = {}
        self._news: dict[tuple[str, GroupKey], Group] = {}
        self.effects = Effects()
        self.changed: frozenset[str] = frozenset()

    def add(self, candidate: Candidate, *, is_stored: bool = False) -> None:
        """Let a candidate wait for its turn."""
        groups = self._groups.get(candidate.correlation_id)
        if groups is None:
            return
        self._buffer(groups).add(_due(candidate, groups), candidate)
        if self._log is not None and not is_stored:
            self._log.keep(candidate)

    def advance(self, strict_ns: int, eager_ns: int) -> None:
        """Apply everything whose turn has come, and forget what is too old."""
        for buffer, watermark_ns in ((self._strict, strict_ns), (self._eager, eager_ns)):
            for due_ns, thing in buffer.due(watermark_ns):
                self.effects.ahead = due_ns >= strict_ns
                if isinstance(thing, Candidate):
                    self._apply(thing, due_ns)
                else:
                    self._fire(*thing)
        for correlation_id, groups in self._groups.items():
            passed_ns = self._buffer(groups).passed_ns
            if passed_ns != NOT_YET:
                self._forget(correlation_id, groups, passed_ns - groups.lateness_ns)
        if self._log is not None and self.effects.forgotten:
            self._log.forget(self.effects.forgotten)
        self.effects.forgotten = []

    def take(self) -> list[Output]:
        """Return what was caused since the last call, the last revision of each alert."""
        for group in self._news.values():
            group.revise(self.effects)
        self._news.clear()
        return self.effects.take()

    def frontier_ns(self, strict_ns: int) -> int:
        """Return the clock that the next level may trust: no result with a smaller ready time follows."""
        if strict_ns in (NOT_YET, END_OF_INPUT):
            return strict_ns
        return strict_ns - self._longest_ns

    def dirty(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what changed since the last call."""
        if self._log is not None:
            yield from self._log.take()

    def restore(self, key: bytes, state: bytes, passed_ns: tuple[int, int]) -> None:
        """Take back one entry.

        Args:
            key: As `dirty` yielded it.
            state: Its value.
            passed_ns: Strict and eager watermark up to which candidates had been applied.

        Raises:
            StateError: It cannot be read.
        """
        stored = read_state(key, state)
        correlation_id = stored.correlation_id if isinstance(stored, Candidate) else stored[0]
        groups = self._groups.get(correlation_id) if correlation_id not in self.changed else None
        if groups is None:
            # Its correlation left the rules, or means something else now.
            if self._log is not None:
                self._log.obsolete(key)
            if not isinstance(stored, Candidate) and isinstance(stored[2], GroupState) and stored[2].draft is not None:
                self.effects.draft(closed_early(stored[2].draft))
        elif isinstance(stored, Candidate):
            if _due(stored, groups) < passed_ns[0 if groups.plan.needs_silence else 1]:
                groups.of(stored.group).take_back(stored)
            else:
                self.add(stored, is_stored=True)
        elif isinstance(stored[2], Decision | Sighting):
            groups.of(stored[1]).take_back_decision(stored[2])
        else:
            groups.of(stored[1]).state = stored[2]

    def succeed(self, before: Level) -> None:
        """Go on with the groups of correlations that mean the same as in another level, and forget those of others.

        Args:
            before: Of the same watch; its changes are taken, and it must not be used any more.
        """
        self._strict, self._eager = before._strict, before._eager
        gone = dict[str, Groups]()
        for key, groups in before._groups.items():
            mine = self._groups.get(key)
            if mine is None or key in self.changed:
                gone[key] = groups
                continue
            self._composers[key] = composer = before._composers[key]
            composer.renew(mine.plan, self._router, self._names)
            groups.plan = mine.plan
            self._groups[key] = groups
        if gone:
            self._leave(gone)

    def restored(self, passed_ns: tuple[int, int]) -> None:
        """Set the timers that follow from the restored state."""
        self._strict.passed_ns, self._eager.passed_ns = passed_ns
        for groups in self._groups.values():
            groups.restored()
            for key, group in groups.known.items():
                for timer in group.wanted_timers():
                    self._set(groups, key, timer)

    def _apply(self, candidate: Candidate, due_ns: int) -> None:
        groups = self._groups[candidate.correlation_id]
        groups.order_ns = order_ns = due_ns - groups.lateness_ns
        if candidate.ready_ns - candidate.time_ns > groups.lateness_ns:
            self.effects.late[candidate.source] += 1
        if candidate.time_ns < order_ns - groups.retention_ns:
            self.effects.letter(_too_late(candidate))
            self.effects.forgotten.append(candidate)
            return
        if groups.plan.is_in_doubt(candidate.rule_name, candidate.uncertainty_ns):
            self._pass_over(groups, candidate)
            return
        group = groups.known.get(candidate.group)
        if group is None:
            group = groups.open(candidate.group, candidate.time_ns)
        window = group.window
        before = len(window)
        changes = group.apply(candidate, order_ns, self.effects)
        groups.candidates += len(window) - before
        if changes is not None:
            self._settle(groups, candidate.group, group, changes)
        if groups.candidates > self._budget:
            self._make_room(groups)

    def _pass_over(self, groups: Groups, candidate: Candidate) -> None:
        """Leave out an event whose clock is worse than the rule allows, and say so: once an hour for a source."""
        self.effects.counts["in_doubt"] += 1
        self.effects.forgotten.append(candidate)
        period_ns = groups.order_ns - groups.order_ns % _OVERFLOW_NS
        place = groups.plan.rule.meta.id, candidate.source
        if self._doubted.get(place) == period_ns:
            return
        if len(self._doubted) >= _MAX_DOUBTED:
            self._doubted.clear()  # what is said again has the same id, and is taken once
        self._doubted[place] = period_ns
        self.effects.notice(_clock_gap(groups, candidate, period_ns))

    def _fire(self, groups: Groups, key: GroupKey, timer: Timer) -> None:
        group = groups.known.get(key)
        if group is None:
            return
        # A timer set in the past is heard now: what it causes must not lie behind the frontier.
        order_ns = max(timer.at_ns, groups.order_ns)
        changes = group.fire(timer, order_ns, self.effects)
        if changes is not None:
            self._settle(groups, key, group, changes)

    def _settle(self, groups: Groups, key: GroupKey, group: Group, changes: Changes) -> None:
        correlation_id = groups.plan.rule.meta.id
        for timer in changes.timers:
            self._set(groups, key, timer)
        if changes.news:
            self._news[correlation_id, key] = group
        if self._log is None:
            return
        for event_id in changes.decisions:
            self._log.decision(correlation_id, key, event_id, group.decision(event_id))
        if changes.group:
            self._log.group(correlation_id, key, group.state)

    def _forget(self, correlation_id: str, groups: Groups, order_ns: int) -> None:
        for key, group in groups.past(order_ns):
            before = len(group.window)
            changes = group.sweep(order_ns, self.effects)
            groups.candidates += len(group.window) - before
            if changes is not None:
                self._settle(groups, key, group, changes)
            if group.is_empty():
                groups.drop(key)
                if self._log is not None:
                    self._log.group(correlation_id, key, None)
            else:
                groups.keep(key, group)

    def _make_room(self, groups: Groups) -> None:
        """Forget whole groups, and say so: once an hour, as a flood would be answered with a flood."""
        found = groups.first_to_go()
        if found is None:
            return
        key, group = found
        self.effects.counts["evicted"] += len(group.window)
        groups.candidates -= len(group.window)
        changes = group.dissolve(groups.order_ns, self.effects)
        if changes is not None:
            self._settle(groups, key, group, changes)
        groups.drop(key)
        correlation_id = groups.plan.rule.meta.id
        if self._log is not None:
            self._log.group(correlation_id, key, None)
        period_ns = groups.order_ns - groups.order_ns % _OVERFLOW_NS
        if period_ns > groups.overflowed_ns:
            groups.overflowed_ns = period_ns
            self.effects.notice(_overflow(correlation_id, groups.order_ns, period_ns, self._budget))

    def _leave(self, gone: Mapping[str, Groups]) -> None:
        """Forget correlations that left the rules or mean something else now; what was still open is closed."""
        every = sorted((group_id(name, key), name, key) for name, groups in gone.items() for key in groups.known)
        for _, correlation_id, key in every:
            groups = gone[correlation_id]
            group = groups.known.pop(key)
            if group.state.draft is not None:
                self.effects.draft(closed_early(group.state.draft))
                group.state.draft = None
            changes = group.dissolve(groups.order_ns, self.effects)
            if changes is not None:
                self._settle(groups, key, group, changes)
            if self._log is not None:
                self._log.group(correlation_id, key, None)
        left = set(gone.values())
        for buffer in (self._strict, self._eager):
            self.effects.forgotten += buffer.drop(
                lambda each: each.correlation_id in gone if isinstance(each, Candidate) else each[0] in left
            )
        if self._log is not None:
            self._log.forget(self.effects.forgotten)
        self.effects.forgotten = []

    def _set(self, groups: Groups, key: GroupKey, timer: Timer) -> None:
        name = f"{groups.plan.rule.meta.id}\x1f{key!r}\x1f{timer.name}\x1f{timer.event_id}"
        self._buffer(groups).add_timer(timer.at_ns + groups.lateness_ns, name, (groups, key, timer))

    def _buffer(self, groups: Groups) -> OrderedBuffer[_Timer]:
        return self._strict if groups.plan.needs_silence else self._eager


def _due(candidate: Candidate, groups: Groups) -> int:
    expected_ns, ready_ns = candidate.time_ns + groups.lateness_ns, candidate.ready_ns
    return ready_ns if ready_ns > expected_ns else expected_ns  # noqa: FURB136  half the cost of a call of max


def _overflow(correlation_id: str, time_ns: int, period_ns: int, budget: int) -> EngineEvent:
    return EngineEvent(
        id=hashed_id("correlation-overflow", correlation_id, period_ns),
        source="isthmus/correlation",
        kind="correlation-overflow",
        time_ns=time_ns,
        fields={"rule.id": correlation_id, "convergence.correlation.budget": budget},
    )


def _clock_gap(groups: Groups, candidate: Candidate, period_ns: int) -> EngineEvent:
    """Say that a rule was not asked about an event, as nobody knows well enough when it happened."""
    rule = groups.plan.rule
    source = candidate.source or "isthmus/correlation"
    return EngineEvent(
        id=hashed_id("coverage-gap", rule.meta.id, source, period_ns),
        source=source,
        kind="coverage-gap",
        time_ns=groups.order_ns,
        fields={
            "rule.id": rule.meta.id,
            "convergence.uncovered.reason": "clock",
            "convergence.uncovered.trigger": candidate.event_id,
            "convergence.clock.uncertainty_ms": candidate.uncertainty_ns / 1e6,
            "convergence.uncovered.allowed_ms": rule.max_clock_uncertainty_ns / 1e6,
        },
    )


def _too_late(candidate: Candidate) -> DeadLetter:
    return DeadLetter(
        id=candidate.event_id,
        stage="correlate",
        source=candidate.source,
        dataset=str(candidate.fields.get("event.dataset", "")),
        received_ns=candidate.ready_ns,
        error=f"happened before every retained window of {candidate.correlation_id}; a source is far behind",
        value=msgspec.json.encode(candidate.fields),
    )
