"""`temporal`: several rules, or k of them, within one timespan in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detector.candidate import Candidate
from detector.correlation.hit import Hit
from detector.correlation.plan import Plan
from detector.correlation.thresholds import holds_for, least_that_holds
from detector.correlation.window import Window


class TemporalCondition:
    """Counts the distinct rules around an event; uncertainty widens the window, up to the cap."""

    counts_rules = True
    tallies = False

    def __init__(self, plan: Plan) -> None:
        self._rules = tuple(dict.fromkeys(plan.rule.rules))
        self._passes = holds_for(plan.rule.condition)
        self._least = least_that_holds(plan.rule.condition) or 1
        self._span_ns = plan.rule.timespan_ns
        self._cap_ns = plan.cap_ns

    def entered(self, window: Window, candidate: Candidate) -> None:
        """Rules are read off the window."""

    def left(self, window: Window, candidates: Sequence[Candidate]) -> None:
        """Rules are read off the window."""

    def hits(
        self,
        window: Window,
        candidate: Candidate,
        *,
        is_newest: bool,
        is_open: bool,  # noqa: ARG002  one entry a rule is all the evidence there is
    ) -> Sequence[Hit]:
        """Return a hit for the candidate, and for each retained one after it whose window it has joined late."""
        if window.size < self._least or len(window.rules()) < self._least:
            return ()
        return list(self._around_each(window, candidate, is_newest=is_newest))

    def holds_between(self, window: Window, start_ns: int, end_ns: int) -> bool:
        """Return whether enough rules are left in a range of time."""
        return bool(self._left(window, start_ns, end_ns))

    def between(self, window: Window, start_ns: int, end_ns: int, expired: Candidate) -> Hit | None:
        """Return what holds when enough rules are left in a range of time, after a candidate has left it."""
        found = self._left(window, start_ns, end_ns)
        if not found:
            return None
        found.sort(key=lambda each: (each.time_ns, each.event_id))
        return Hit(anchor=found[-1], evidence=tuple(found), decided_by=expired.event_id, time_ns=end_ns)

    def next_change_ns(self, window: Window, expired_ns: int) -> int | None:
        """Return when the next candidate leaves."""
        following = window.first_after(expired_ns)
        return None if following is None else following[0] + self._span_ns

    def _holds(self, found: Sequence[Candidate]) -> bool:
        """Return whether one match of each of these rules is enough."""
        return self._passes(len(found))

    def _left(self, window: Window, start_ns: int, end_ns: int) -> list[Candidate]:
        """Return the last match of each rule in a range of time, nothing when they are not enough."""
        found = [entries[-1][3] for rule in self._rules if (entries := window.rule_between(rule, start_ns, end_ns))]
        return found if found and self._holds(found) else []

    def _around_each(self, window: Window, candidate: Candidate, *, is_newest: bool) -> Iterator[Hit]:
        anchors = [candidate]
        if not is_newest:
            reach_ns = self._span_ns + min(candidate.uncertainty_ns + window.max_uncertainty_ns, self._cap_ns)
            after = window.between(candidate.time_ns + 1, candidate.time_ns + reach_ns)
            anchors += [entry[3] for entry in after if entry[2] in self._rules]
        for anchor in anchors:
            hit = self._around(window, anchor, candidate.event_id)
            if hit is not None:
                yield hit

    def _around(self, window: Window, anchor: Candidate, decided_by: str) -> Hit | None:
        found = list[Candidate]()
        widened_ns = 0
        for rule in self._rules:
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
            reason=f"{len(found)} of {len(self._rules)} within the window",
        )

    def _nearest(self, window: Window, rule: str, anchor: Candidate) -> Candidate | None:
        """Return the nearest that is near enough; of two as near, that with the lesser id."""
        timeline = window.of_rule(rule)
        best: tuple[int, str, Candidate] | None = None
        for entries in (timeline.backwards(anchor.time_ns), timeline.forwards(anchor.time_ns + 1)):
            for time_ns, event_id, _, found in entries:
                distance_ns = abs(time_ns - anchor.time_ns)
                if distance_ns > self._allowed_ns(anchor, window.max_uncertainty_ns) or (
                    best and distance_ns > best[0]
                ):
                    break
                is_better = best is None or (distance_ns, event_id) < best[:2]
                if is_better and distance_ns <= self._allowed_ns(anchor, found.uncertainty_ns):
                    best = (distance_ns, event_id, found)
        return None if best is None else best[2]

    def _allowed_ns(self, anchor: Candidate, uncertainty_ns: int) -> int:
        return self._span_ns + min(anchor.uncertainty_ns + uncertainty_ns, self._cap_ns)
