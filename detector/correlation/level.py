"""One level of correlation: orders candidates and timers of all its groups, and keeps their state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from detector.candidate import Candidate, GroupKey
from detector.correlation.absence import AbsenceGroup
from detector.correlation.composing import Composer
from detector.correlation.counting import CountCondition, ValueCondition
from detector.correlation.during import DuringGroup
from detector.correlation.effects import Effects
from detector.correlation.extended import ExpressionCondition, ExtendedGroup
from detector.correlation.group import Changes, Group, Timer
from detector.correlation.groupstate import Decision, GroupState
from detector.correlation.identity import group_id
from detector.correlation.liveness import Watch
from detector.correlation.ordered import OrderedCondition
from detector.correlation.ordering import END_OF_INPUT, NOT_YET, OrderedBuffer
from detector.correlation.plan import CorrelationSettings, Plan
from detector.correlation.routing import CandidateRouter
from detector.correlation.temporal import TemporalCondition
from detector.correlation.windowed import Condition, WindowedGroup
from detector.errors import StateError
from detector.task import DeadLetter

StateKey = tuple[str, str, str, str]
"""Kind (candidate, group, decision), group id, event id, rule id."""

_VERSION = b"\x01"
_encoder = msgspec.msgpack.Encoder()
_candidates = msgspec.msgpack.Decoder(Candidate)
_groups = msgspec.msgpack.Decoder(tuple[str, GroupKey, GroupState])
_decisions = msgspec.msgpack.Decoder(tuple[str, GroupKey, Decision])


class Level:
    """Applies candidates in order of (max(time, ready - L), event id), each once W - L has passed that value.

    Args:
        plans: Correlations of this level by id.
        router: Knows groups and who names whom.
        settings: Bounds and coverage.
        names: Rule id to name.
        watch: What was watched, and since when.
    """

    def __init__(
        self,
        plans: Mapping[str, Plan],
        router: CandidateRouter,
        settings: CorrelationSettings,
        names: Mapping[str, str],
        watch: Watch,
    ) -> None:
        self._plans = plans
        self._settings = settings
        self._watch = watch
        self._composers = {key: Composer(plan, router, names) for key, plan in plans.items()}
        self._groups: dict[tuple[str, GroupKey], Group] = {}
        # Correlations that need silence never go on without a partition; the others may.
        self._strict = OrderedBuffer()
        self._eager = OrderedBuffer()
        self._orders: dict[str, int] = {}
        self._dirty: dict[StateKey, object] = {}
        self._waiting: set[tuple[str, GroupKey, str, str]] = set()
        self.effects = Effects()

    def add(self, candidate: Candidate, *, is_stored: bool = False) -> None:
        """Let a candidate wait for its turn; a repeat is dropped."""
        plan = self._plans.get(candidate.correlation_id)
        if plan is None:
            return
        key = (candidate.correlation_id, candidate.group, candidate.event_id, candidate.rule_name)
        if key in self._waiting:
            return
        self._waiting.add(key)
        due_ns = self._order(candidate, plan) + plan.lateness_ns
        self._buffer(plan).add_candidate(due_ns, candidate.event_id, candidate.rule_name, candidate)
        if not is_stored:
            self._mark(candidate, candidate)

    def advance(self, strict_ns: int, eager_ns: int) -> None:
        """Apply everything whose turn has come."""
        for buffer, watermark_ns in ((self._strict, strict_ns), (self._eager, eager_ns)):
            buffer.advance(watermark_ns)
            while (due := buffer.pop()) is not None:
                due_ns, thing = due
                if isinstance(thing, Candidate):
                    self._apply(thing, due_ns)
                else:
                    self._fire(*thing)

    def frontier_ns(self, strict_ns: int) -> int:
        """Return the clock that the next level may trust: no result with a smaller ready time follows."""
        if strict_ns in (NOT_YET, END_OF_INPUT):
            return strict_ns
        return strict_ns - max((plan.lateness_ns for plan in self._plans.values()), default=0)

    def dirty(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what changed since the last call."""
        for key, value in self._dirty.items():
            yield "\x1f".join(key).encode(), None if value is None else _VERSION + _encoder.encode(value)
        self._dirty.clear()

    def restore(self, key: bytes, state: bytes, passed_ns: tuple[int, int]) -> None:
        """Take back one entry.

        Args:
            key: As `dirty` yielded it.
            state: Its value.
            passed_ns: Strict and eager watermark up to which candidates had been applied.
        """
        if state[:1] != _VERSION:
            raise StateError(f"correlation state {key!r} is of unknown version {state[:1]!r}")
        kind, place, event_id, rule_id = key.decode().split("\x1f")
        try:
            if kind == "c":
                known = self._restore_candidate(_candidates.decode(state[1:]), passed_ns)
            elif kind == "g":
                known = self._restore_group(*_groups.decode(state[1:]))
            else:
                known = self._restore_decision(*_decisions.decode(state[1:]))
            if not known:
                # Its correlation left the rules: nobody will ever ask for this entry again.
                self._dirty[kind, place, event_id, rule_id] = None
        except msgspec.DecodeError as error:
            raise StateError(f"correlation state {key!r} cannot be read: {error}") from error

    def restored(self, passed_ns: tuple[int, int]) -> None:
        """Set the timers that follow from the restored state."""
        self._strict.advance(passed_ns[0])
        self._eager.advance(passed_ns[1])
        for (correlation_id, key), group in self._groups.items():
            for timer in group.wanted_timers():
                self._set(self._plans[correlation_id], key, timer)

    def _restore_group(self, correlation_id: str, key: GroupKey, kept: GroupState) -> bool:
        if correlation_id not in self._plans:
            return False
        self._group(correlation_id, key).state = kept
        return True

    def _restore_decision(self, correlation_id: str, key: GroupKey, decision: Decision) -> bool:
        if correlation_id not in self._plans:
            return False
        self._group(correlation_id, key).decisions[decision.trigger_id] = decision
        return True

    def _restore_candidate(self, candidate: Candidate, passed_ns: tuple[int, int]) -> bool:
        plan = self._plans.get(candidate.correlation_id)
        if plan is None:
            return False
        due_ns = self._order(candidate, plan) + plan.lateness_ns
        if due_ns < passed_ns[0 if plan.needs_silence else 1]:
            self._group(candidate.correlation_id, candidate.group).take_back(candidate)
        else:
            self.add(candidate, is_stored=True)
        return True

    def _apply(self, candidate: Candidate, due_ns: int) -> None:
        plan = self._plans[candidate.correlation_id]
        self._waiting.discard((candidate.correlation_id, candidate.group, candidate.event_id, candidate.rule_name))
        order_ns = due_ns - plan.lateness_ns
        self._orders[candidate.correlation_id] = order_ns
        if candidate.time_ns < order_ns - plan.retention_ns:
            self.effects.letter(_too_late(candidate))
            self._mark(candidate, None)
            return
        group = self._group(candidate.correlation_id, candidate.group)
        self._settle(plan, candidate.group, group, group.apply(candidate, order_ns, self.effects))

    def _fire(self, plan: Plan, key: GroupKey, timer: Timer) -> None:
        group = self._groups.get((plan.rule.meta.id, key))
        if group is None:
            return
        # A timer set in the past is heard now: what it causes must not lie behind the frontier.
        order_ns = max(timer.at_ns, self._orders.get(plan.rule.meta.id, NOT_YET))
        self._settle(plan, key, group, group.fire(timer, order_ns, self.effects))

    def _settle(self, plan: Plan, key: GroupKey, group: Group, changes: Changes) -> None:
        correlation_id = plan.rule.meta.id
        place = group_id(correlation_id, key)
        for candidate in changes.forgotten:
            self._mark(candidate, None)
        for timer in changes.timers:
            self._set(plan, key, timer)
        for event_id in changes.decisions:
            decision = group.decisions.get(event_id)
            self._dirty["d", place, event_id, ""] = None if decision is None else (correlation_id, key, decision)
        if changes.group:
            empty = group.state == GroupState()
            self._dirty["g", place, "", ""] = None if empty else (correlation_id, key, group.state)
        if group.is_empty():
            self._dirty["g", place, "", ""] = None
            del self._groups[correlation_id, key]

    def _set(self, plan: Plan, key: GroupKey, timer: Timer) -> None:
        name = f"{plan.rule.meta.id}\x1f{key!r}\x1f{timer.name}\x1f{timer.event_id}"
        self._buffer(plan).add_timer(timer.at_ns + plan.lateness_ns, name, (plan, key, timer))

    def _mark(self, candidate: Candidate, value: Candidate | None) -> None:
        place = group_id(candidate.correlation_id, candidate.group)
        self._dirty["c", place, candidate.event_id, candidate.rule_name] = value

    def _order(self, candidate: Candidate, plan: Plan) -> int:
        return max(candidate.time_ns, candidate.ready_ns - plan.lateness_ns)

    def _buffer(self, plan: Plan) -> OrderedBuffer:
        return self._strict if plan.needs_silence else self._eager

    def _group(self, correlation_id: str, key: GroupKey) -> Group:
        group = self._groups.get((correlation_id, key))
        if group is None:
            group = self._groups[correlation_id, key] = self._new_group(self._plans[correlation_id], key)
        return group

    def _new_group(self, plan: Plan, key: GroupKey) -> Group:
        composer = self._composers[plan.rule.meta.id]
        settings = self._settings
        if plan.rule.absence is not None:
            return AbsenceGroup(composer, key, settings, self._watch.liveness)
        if plan.rule.during is not None:
            return DuringGroup(composer, key, settings, self._watch.since)
        if plan.rule.expression is not None and plan.needs_silence:
            return ExtendedGroup(composer, key, settings)
        return WindowedGroup(composer, key, _condition(plan), settings.max_candidates)


def _condition(plan: Plan) -> Condition:
    if plan.rule.expression is not None:
        return ExpressionCondition(plan, plan.rule.expression)
    if plan.rule.type == "temporal":
        return TemporalCondition(plan)
    if plan.rule.type == "temporal_ordered":
        return OrderedCondition(plan)
    return CountCondition(plan) if plan.rule.type == "event_count" else ValueCondition(plan)


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
