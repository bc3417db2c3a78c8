"""`absence`: a trigger that has no partner, decided once the partner could have been seen."""

from __future__ import annotations

from datetime import datetime

from detector.candidate import Candidate, GroupKey
from detector.correlation.composing import Composer
from detector.correlation.coverage import MAX_BLIND, coverage_gap
from detector.correlation.effects import Effects
from detector.correlation.group import Changes
from detector.correlation.groupstate import Decision
from detector.correlation.hit import Hit
from detector.correlation.liveness import Blind, Watch
from detector.correlation.ordering import NOT_YET
from detector.correlation.plan import CorrelationSettings
from detector.correlation.triggered import TriggeredGroup
from detector.rules.model import CorrelationRule
from detector.task import Unwatched
from normalizers.timestamps import format_utc


class AbsenceGroup(TriggeredGroup):
    """Looks for a partner in the span of each trigger, and asks whether anyone was watching."""

    def __init__(self, composer: Composer, key: GroupKey, settings: CorrelationSettings, watch: Watch) -> None:
        absence = composer.plan.rule.absence
        assert absence is not None  # noqa: S101  the level picks the class by this
        super().__init__(composer, key, (absence.trigger,), settings.max_candidates)
        self._absence = absence
        looks_ahead = absence.when != "before" and absence.until is None
        self._least_after_ns = self._plan.rule.timespan_ns if looks_ahead else 0
        self._watch = watch
        self._active_ns = watch.activated_ns.get(composer.plan.rule.meta.id, NOT_YET)
        self._partner_uncertainty_ns = settings.partner_uncertainty_ns
        self._assume_covered = settings.assume_covered

    def _decided_at(self, trigger: Candidate) -> int:
        end_ns = self._span(trigger)[1]
        wait_ns = min(self._plan.cap_ns, trigger.uncertainty_ns + self._partner_uncertainty_ns)
        expected = [each.expectation_ns for each in self._plan.expectations]
        # A source without expectation proves nothing however long one waits.
        if any(each is None or each > self._plan.span_ns for each in expected):
            return end_ns + wait_ns
        return end_ns + wait_ns + max((each or 0 for each in expected), default=0)

    def _decide(self, trigger: Candidate, order_ns: int, effects: Effects, changes: Changes) -> None:
        if self._partner(trigger) is not None:
            self._note(Decision(trigger.event_id, order_ns, None), changes)
            return
        start_ns, end_ns = self._span(trigger)
        blind = self._blind_spots(trigger)
        if blind and self._absence.coverage == "require":
            gap = coverage_gap(self._plan.rule, trigger, blind, end_ns)
            if gap is None:
                effects.counts["too_deep"] += 1
            else:
                effects.notice(gap)
            self._note(Decision(trigger.event_id, order_ns, None), changes)
            return
        seconds = (end_ns - start_ns) / 1e9
        coverage = None if self._absence.coverage == "ignore" else "partial" if blind else "full"
        unchecked = f"; not checked: {', '.join(map(str, blind[:MAX_BLIND]))}" if blind else ""
        hit = Hit(
            anchor=trigger,
            evidence=(trigger,),
            decided_by=trigger.event_id,
            time_ns=end_ns if self._absence.when != "before" else trigger.time_ns,
            coverage=coverage,  # type: ignore[arg-type]  # one of the three literals above
            widened_ns=min(self._plan.cap_ns, trigger.uncertainty_ns + self._partner_uncertainty_ns),
            late=trigger.ready_ns - trigger.time_ns > self._plan.lateness_ns,
            reason=f"nothing that was expected came within {seconds:g} s{unchecked}",
        )
        self._note(self._report(hit, trigger, order_ns, effects), changes)

    def _blind_spots(self, trigger: Candidate) -> list[Blind]:
        """Return who may have missed what is missing, of those that report of the trigger's place."""
        if self._absence.coverage == "ignore" or self._assume_covered:
            return []
        start_ns, end_ns = self._span(trigger)
        if start_ns < self._active_ns:
            return [Blind("", "it began before the rule was there")]
        away = self._watch.gap_in(start_ns, end_ns + self._plan.lateness_ns)
        if away is not None:
            return [Blind("", f"nobody was listening {_between(away)}")]
        site, path = (trigger.fields.get(f"convergence.location.{each}") for each in ("site", "path"))
        near = tuple(each for each in self._plan.expectations if each.tells_of(site, path))
        return self._watch.liveness.blind_spots(near, start_ns, end_ns, self._plan.span_ns)

    def _joined(self, candidate: Candidate, order_ns: int, effects: Effects, changes: Changes) -> None:
        """Withdraw what a late partner overturns."""
        if candidate.rule_name not in self._absence.missing:
            return
        slack_ns = min(candidate.uncertainty_ns + self.window.max_uncertainty_ns, self._plan.cap_ns)
        reach_ns = self._plan.span_ns + slack_ns
        # A span that ends later than this has not been decided.
        last_ns = min(candidate.time_ns + reach_ns, order_ns - self._least_after_ns)
        for trigger in self._decided_between(candidate.time_ns - reach_ns, last_ns):
            decision = self.decisions[trigger.event_id]
            if decision.held and self._is_partner(trigger, candidate):
                reason = f"what was missing arrived after all: {self._composer.summary_of(candidate)}"
                self._note(self._withdraw(decision, order_ns, reason, effects), changes)

    def _span(self, trigger: Candidate) -> tuple[int, int]:
        return span_of(self._plan.rule, trigger)

    def _is_partner(self, trigger: Candidate, candidate: Candidate) -> bool:
        start_ns, end_ns = self._span(trigger)
        widened_ns = min(trigger.uncertainty_ns + candidate.uncertainty_ns, self._plan.cap_ns)
        return (
            candidate.event_id != trigger.event_id and start_ns - widened_ns <= candidate.time_ns <= end_ns + widened_ns
        )

    def _partner(self, trigger: Candidate) -> Candidate | None:
        start_ns, end_ns = self._span(trigger)
        for rule in self._absence.missing:
            for candidate in self._inside(rule, trigger, start_ns, end_ns):
                if candidate.event_id != trigger.event_id:
                    return candidate
        return None


def span_of(rule: CorrelationRule, trigger: Candidate) -> tuple[int, int]:
    """Return the first and last time at which a partner of a trigger counts."""
    absence = rule.absence
    assert absence is not None  # noqa: S101  only absences have triggers without partners
    before_ns = rule.timespan_ns if absence.when in {"before", "around"} else 0
    after_ns = rule.timespan_ns if absence.when in {"after", "around"} else 0
    if absence.until is not None:
        end_ns = _date_ns(trigger.fields.get(absence.until))
        wanted_ns = (end_ns - trigger.time_ns if end_ns is not None else 0) + rule.timespan_ns
        after_ns = min(max(wanted_ns, 0), absence.cap_ns or rule.timespan_ns)
    return trigger.time_ns - before_ns, trigger.time_ns + after_ns


def _between(away: Unwatched) -> str:
    end = format_utc(away.to_ns)
    return f"before {end}" if away.from_ns is None else f"from {format_utc(away.from_ns)} to {end}"


def _date_ns(value: object) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        stamp = datetime.fromisoformat(value)
    except ValueError:
        return None
    return int(stamp.timestamp()) * 10**9 if stamp.tzinfo is not None else None
