"""`absence`: a trigger without a partner in its span."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detector.candidate import Candidate, GroupKey
from detector.correlation.absence import span_of
from detector.correlation.hit import Hit
from detector.correlation.plan import Plan
from detector.explaining.correlations.meaning import Moment, Near, Timeline, place_of
from detector.explaining.correlations.words import Words, length


class Missing:
    """The span of each trigger, in which no partner may lie. Everything counts as watched."""

    def __init__(self, plan: Plan, key: GroupKey, group: Sequence[Candidate], words: Words) -> None:  # noqa: ARG002
        absence = plan.rule.absence
        assert absence is not None  # noqa: S101  the type says so
        self._rule = plan.rule
        self._absence = absence
        self._timeline = Timeline(group)
        self._words = words

    def moments(self) -> Iterator[Moment]:
        """Yield the end of each trigger's span."""
        found = [self._decided(trigger) for trigger in self._triggers()]
        yield from sorted(found, key=lambda moment: moment.at_ns)

    def nearest(self, limit: int) -> tuple[list[Near], int]:
        """Return the spans in which a partner came, the latest first: these nearly held."""
        spans = [(trigger, partner) for trigger in self._triggers() if (partner := self._partner(trigger))]
        spans.sort(key=lambda span: -abs(span[1].time_ns - span[0].time_ns))
        return [self._near(trigger, partner) for trigger, partner in spans[:limit]], len(spans)

    def _triggers(self) -> Sequence[Candidate]:
        return self._timeline.all_of(self._absence.trigger)

    def _decided(self, trigger: Candidate) -> Moment:
        start_ns, end_ns = span_of(self._rule, trigger)
        if self._partner(trigger) is not None:
            return Moment(end_ns, ())
        hit = Hit(
            anchor=trigger,
            evidence=(trigger,),
            decided_by=trigger.event_id,
            time_ns=end_ns if self._absence.when != "before" else trigger.time_ns,
            reason=f"no {' or '.join(map(self._words.rule, self._absence.missing))} in {length(end_ns - start_ns)}",
        )
        return Moment(end_ns, (hit,))

    def _partner(self, trigger: Candidate) -> Candidate | None:
        inside = [self._timeline.of(rule, *span_of(self._rule, trigger)) for rule in self._absence.missing]
        firsts = (next((each for each in matches if each.event_id != trigger.event_id), None) for matches in inside)
        return min((each for each in firsts if each is not None), key=place_of, default=None)

    def _near(self, trigger: Candidate, partner: Candidate) -> Near:
        start_ns, end_ns = span_of(self._rule, trigger)
        away_ns = abs(partner.time_ns - trigger.time_ns)
        side = "after" if partner.time_ns >= trigger.time_ns else "before"
        words = self._words
        when = f"{words.event(partner)}, {length(away_ns)} {side} {words.event(trigger)}"
        return Near(
            score=0.5 + 0.49 * away_ns / max(1, end_ns - start_ns),
            start_ns=start_ns,
            end_ns=end_ns,
            candidates=(trigger, partner),
            found="a partner",
            missing=(f"{words.rule(partner.rule_name)} came ({when}), so the absence does not hold",),
        )
