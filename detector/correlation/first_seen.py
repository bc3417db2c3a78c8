"""`first_seen`: a value that its group has not had before, or not last."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from detector.candidate import Candidate, GroupKey
from detector.correlation.composing import Composer
from detector.correlation.effects import Effects
from detector.correlation.group import Changes, Timer
from detector.correlation.groupstate import Decision, GroupState
from detector.correlation.hit import Hit
from detector.correlation.ordering import END_OF_INPUT
from detector.correlation.plan import CorrelationSettings
from detector.correlation.sightings import PART, EveryValue, LastValue, Memory, Sighting
from detector.correlation.tally import distinct_values
from detector.rules.model import CorrelationRule, FirstSeen
from normalizers.event import Scalar, Value


class Learning:
    """What the groups of one `first_seen` share.

    Args:
        composer: Writes its alerts.
        settings: How many values a group may remember.
        since_ns: Since when it learns; the end of time while that is not known.
    """

    def __init__(self, composer: Composer, settings: CorrelationSettings, since_ns: Callable[[], int]) -> None:
        first_seen = composer.plan.rule.first_seen
        assert first_seen is not None  # noqa: S101  the level picks the class by this
        self.first_seen: FirstSeen = first_seen
        self.composer = composer
        self.horizon_ns = first_seen.horizon_ns
        self.retention_ns = composer.plan.retention_ns
        self.lateness_ns = composer.plan.lateness_ns
        self.max_values = settings.max_candidates
        self._since_ns = since_ns

    def memory(self) -> Memory:
        """Return an empty memory."""
        return EveryValue() if self.first_seen.memory == "all" else LastValue()

    def is_over(self, time_ns: int) -> bool:
        """Return whether what happened at a time is reported; before, it was only learned."""
        since_ns = self._since_ns()
        return since_ns != END_OF_INPUT and time_ns >= since_ns + self.first_seen.learn_ns


class FirstSeenGroup:
    """Remembers the values of one group, and reports each event that brings an unknown one.

    An event is judged by what was applied before it: a value that came late is unknown when nothing has brought it,
    whatever its time.
    """

    __slots__ = ("_key", "_learning", "window")

    state = GroupState()
    """Each new value is an alert of its own: there are no episodes."""

    def __init__(self, learning: Learning, key: GroupKey) -> None:
        self.window = learning.memory()
        self._learning = learning
        self._key = key

    def apply(self, candidate: Candidate, order_ns: int, effects: Effects) -> Changes | None:
        """Report what is unknown of an event, and remember it; the event itself is kept no longer."""
        effects.forgotten.append(candidate)
        learning, memory = self._learning, self.window
        values = values_of(learning.composer.plan.rule, candidate)
        if not values:
            effects.counts["valueless"] += 1
            return None
        oldest_ns = max(candidate.time_ns - learning.horizon_ns, order_ns - learning.retention_ns)
        unknown = memory.unknown(values, candidate.time_ns, oldest_ns)
        if unknown and learning.is_over(candidate.time_ns):
            hit = hit_of(learning.composer.plan.rule, candidate, unknown, memory.last(oldest_ns))
            self._report(hit, candidate, order_ns, effects)
        changes = Changes(decisions=list(memory.note(values, candidate.time_ns, oldest_ns)))
        if len(memory) > learning.max_values:
            changes.decisions += memory.forget(order_ns - learning.retention_ns)
            too_many = list(memory.forget(order_ns - learning.retention_ns, learning.max_values))
            effects.counts["evicted"] += len(too_many)
            changes.decisions += too_many
        return changes

    def fire(self, timer: Timer, order_ns: int, effects: Effects) -> Changes | None:
        """There is nothing to wait for."""

    def revise(self, effects: Effects) -> None:
        """Each new value is an alert of its own, written at once."""

    def sweep(self, order_ns: int, effects: Effects) -> Changes | None:  # noqa: ARG002  the protocol's
        """Forget the values that were not seen for too long."""
        return Changes(decisions=list(self.window.forget(order_ns - self._learning.retention_ns)))

    def dissolve(self, order_ns: int, effects: Effects) -> Changes | None:  # noqa: ARG002  the protocol's
        """Forget everything."""
        return Changes(decisions=list(self.window.forget(order_ns, 0)))

    def take_back(self, candidate: Candidate) -> None:
        """Candidates are not kept once they were applied: none comes back."""

    def decision(self, event_id: str) -> Sighting | None:
        """Return what is remembered under a name."""
        return self.window.entry(event_id)

    def take_back_decision(self, decision: Decision | Sighting) -> None:
        """Restore what was remembered."""
        if isinstance(decision, Sighting):
            self.window.take_back(decision)

    def wanted_timers(self) -> Iterator[Timer]:
        """There is nothing to wait for."""
        return iter(())

    def is_empty(self) -> bool:
        """Whether nothing is remembered."""
        return not len(self.window)

    def _report(self, hit: Hit, candidate: Candidate, order_ns: int, effects: Effects) -> None:
        learning = self._learning
        hit.late = candidate.ready_ns - candidate.time_ns > learning.lateness_ns
        for result in learning.composer.result(hit, self._key, order_ns):
            effects.result(result)
        if learning.composer.generates:
            effects.draft(learning.composer.draft(hit, self._key, order_ns, "closed"))


def values_of(rule: CorrelationRule, candidate: Candidate) -> list[str]:
    """Return the values that an event brings, in order of their text; none when a field is missing."""
    return sorted(PART.join(each) for each in distinct_values(rule.field, candidate.fields))


def hit_of(rule: CorrelationRule, candidate: Candidate, unknown: list[str], last: str | None) -> Hit:
    """Return what is found when an event brings unknown values.

    Args:
        rule: The correlation.
        candidate: The event.
        unknown: The values.
        last: The value that was seen last before it; None when none is remembered.
    """
    fields: dict[str, Value] = {
        "convergence.first_seen.field": list[Scalar](rule.field),
        "convergence.first_seen.value": list[Scalar](map(shown_value, unknown)),
        "convergence.first_seen.key": "new" if last is None else "known",
    }
    if last is not None:
        fields["convergence.first_seen.previous"] = shown_value(last)
    return Hit(
        anchor=candidate,
        evidence=(candidate,),
        decided_by=candidate.event_id,
        time_ns=candidate.time_ns,
        reason=_reason(rule, unknown, last),
        fields=fields,
    )


def shown_value(value: str) -> str:
    """Write a value for readers; the parts of a composite one are separated by commas."""
    return value.replace(PART, ", ")


def _reason(rule: CorrelationRule, unknown: list[str], last: str | None) -> str:
    values = " and ".join(map(shown_value, unknown[:_SHOWN]))
    before = "nothing" if last is None else shown_value(last)
    if rule.first_seen is not None and rule.first_seen.memory == "last":
        return f"{' and '.join(rule.field)} changed to {values}, {before} before"
    return f"{' and '.join(rule.field)} {values} not seen before; {before} was last"


_SHOWN = 5
"""New values of one event that its alert's reason names."""
