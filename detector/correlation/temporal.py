"""`temporal`: several rules, or k of them, within one timespan in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detector.candidate import Candidate
from detector.correlation.hit import Hit
from detector.correlation.plan import Plan
from detector.correlation.thresholds import all_hold
from detector.correlation.window import Window


class TemporalCondition:
    """Counts the distinct rules around an event; uncertainty widens the window, up to the cap."""

    counts_rules = True

    def __init__(self, plan: Plan) -> None:
        self._rules = plan.rule.rules
        self._thresholds = plan.rule.condition
        self._span_ns = plan.rule.timespan_ns
        self._cap_ns = plan.cap_ns

    def inserted(self, candidate: Candidate) -> None:
        """Rules are read off the window."""

    def evicted(self, candidate: Candidate) -> None:
        """Rules are read off the window."""

    def hits(self, window: Window, candidate: Candidate) -> Iterator[Hit]:
        """Yield a hit for the candidate, and for each retained one after it whose window it has joined late."""
        reach_ns = self._span_ns + min(candidate.uncertainty_ns + window.max_uncertainty_ns, self._cap_ns)
        after = window.between(candidate.time_ns + 1, candidate.time_ns + reach_ns)
        for anchor in (candidate, *(entry[3] for entry in after)):
            hit = self._around(window, anchor, candidate.event_id)
            if hit is not None:
                yield hit

    def between(self, window: Window, start_ns: int, end_ns: int, expired: Candidate) -> Hit | None:
        """Return whether enough rules are left in a range of time, after a candidate has left it."""
        found = [entries[-1][3] for rule in self._rules if (entries := window.rule_between(rule, start_ns, end_ns))]
        if not found or not self._holds(found):
            return None
        found.sort(key=lambda each: (each.time_ns, each.event_id))
        return Hit(anchor=found[-1], evidence=tuple(found), decided_by=expired.event_id, time_ns=end_ns)

    def _holds(self, found: Sequence[Candidate]) -> bool:
        """Return whether one match of each of these rules is enough."""
        return all_hold(self._thresholds, len(found))

    def _around(self, window: Window, anchor: Candidate, decided_by: str) -> Hit | None:
        found = list[Candidate]()
        widened_ns = 0
        for rule in dict.fromkeys(self._rules):
            nearest = anchor if rule == anchor.rule_name else self._nearest(window, rule, anchor)
            if nearest is not None:
                found.append(nearest)
                widened_ns = max(widened_ns, abs(nearest.time_ns - anchor.time_ns) - self._span_ns)
        if not self._holds(found):
            return None
        found.sort(key=lambda each: (each.time_ns, each.event_id))
        return Hit(
            anchor=found[-1],
            evidence=tuple(found),
            decided_by=decided_by,
            time_ns=found[-1].time_ns,
            widened_ns=widened_ns,
            reason=f"{len(found)} of {len(set(self._rules))} within the window",
        )

    def _nearest(self, window: Window, rule: str, anchor: Candidate) -> Candidate | None:
        reach_ns = self._span_ns + min(anchor.uncertainty_ns + window.max_uncertainty_ns, self._cap_ns)
        best: tuple[int, str, Candidate] | None = None
        for time_ns, event_id, _, found in window.rule_between(
            rule, anchor.time_ns - reach_ns, anchor.time_ns + reach_ns
        ):
            distance_ns = abs(time_ns - anchor.time_ns)
            allowed_ns = self._span_ns + min(anchor.uncertainty_ns + found.uncertainty_ns, self._cap_ns)
            if distance_ns <= allowed_ns and (best is None or (distance_ns, event_id) < best[:2]):
                best = (distance_ns, event_id, found)
        return None if best is None else best[2]
