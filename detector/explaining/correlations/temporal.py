"""`temporal`: several rules, k of them, or an expression without `not`, within one timespan in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detector.candidate import Candidate, GroupKey
from detector.correlation.hit import Hit
from detector.correlation.plan import Plan
from detector.correlation.thresholds import all_hold
from detector.explaining.correlations.counting import nearness
from detector.explaining.correlations.meaning import Moment, Near, Timeline, in_order, place_of
from detector.explaining.correlations.whereabouts import Whereabouts
from detector.explaining.correlations.words import Words, compared, length


class Temporal:
    """The distinct rules around each event, as far as they have happened."""

    def __init__(self, plan: Plan, key: GroupKey, group: Sequence[Candidate], words: Words) -> None:
        self._plan = plan
        self._timeline = Timeline(group)
        self._words = words
        self._where = Whereabouts(words, key, self._timeline)

    def moments(self) -> Iterator[Moment]:
        """Yield what is around each event, and where silence counts what is left after one has gone."""
        found = [self._applied(anchor) for anchor in self._timeline.entries]
        if self._plan.needs_silence:
            found += [self._expired(time_ns) for time_ns in dict.fromkeys(self._timeline.times)]
        yield from sorted(found, key=lambda moment: (moment.at_ns, moment.is_expiry))

    def nearest(self, limit: int) -> tuple[list[Near], int]:  # noqa: ARG002  windows overlap: one is told
        """Return the window with the most rules."""
        scored = [(self._score(found), found) for found in map(self._around, self._timeline.entries)]
        if not scored:
            return [], 0
        score, found = max(scored, key=lambda each: each[0])
        span_ns = self._plan.rule.timespan_ns
        start_ns, end_ns = found[-1].time_ns - span_ns, found[0].time_ns + span_ns
        near = Near(
            score=score,
            start_ns=found[0].time_ns,
            end_ns=end_ns,
            candidates=tuple(found),
            found=self._found(found),
            missing=tuple(self._missing(found, start_ns, end_ns)),
        )
        return [near], 1

    def _applied(self, anchor: Candidate) -> Moment:
        found = self._around(anchor)
        return Moment(anchor.time_ns, self._hits(found, anchor.event_id, found[-1].time_ns))

    def _expired(self, left_ns: int) -> Moment:
        end_ns = left_ns + self._plan.rule.timespan_ns
        inside = [self._timeline.of(rule, left_ns + 1, end_ns) for rule in self._plan.rule.rules]
        found = in_order([matches[-1] for matches in inside if matches])
        leaving = self._timeline.between(left_ns, left_ns)[-1]
        return Moment(end_ns, self._hits(found, leaving.event_id, end_ns), is_expiry=True)

    def _around(self, anchor: Candidate) -> list[Candidate]:
        """Return the nearest match of each rule around an event, among what had happened by then."""
        start_ns, applied = anchor.time_ns - self._plan.rule.timespan_ns, place_of(anchor)
        rules = [rule for rule in dict.fromkeys(self._plan.rule.rules) if rule != anchor.rule_name]
        found = [self._timeline.last_of(rule, start_ns, applied) for rule in rules]
        return in_order([anchor, *(each for each in found if each is not None)])

    def _hits(self, found: list[Candidate], decided_by: str, time_ns: int) -> tuple[Hit, ...]:
        if not found or not self._holds(found):
            return ()
        evidence = tuple(found)
        reason = self._found(found)
        return (Hit(anchor=found[-1], evidence=evidence, decided_by=decided_by, time_ns=time_ns, reason=reason),)

    def _holds(self, found: Sequence[Candidate]) -> bool:
        rule = self._plan.rule
        if rule.expression is not None:
            return rule.expression.holds({each.rule_name for each in found})
        return all_hold(rule.condition, len(found))

    def _score(self, found: Sequence[Candidate]) -> float:
        rule = self._plan.rule
        if rule.expression is not None:
            return 0.99 * len(found) / len(set(rule.rules))
        return nearness(rule.condition, len(found))

    def _found(self, found: Sequence[Candidate]) -> str:
        return f"{len(found)} of {len(set(self._plan.rule.rules))} rules"

    def _missing(self, found: Sequence[Candidate], start_ns: int, end_ns: int) -> Iterator[str]:
        rule = self._plan.rule
        if rule.expression is None:
            yield f"{self._found(found)} within {length(rule.timespan_ns)}, not {compared(rule.condition)}"
        present = {each.rule_name for each in found}
        for other in dict.fromkeys(rule.rules):
            if other not in present:
                yield self._where.of(other, start_ns, end_ns)
