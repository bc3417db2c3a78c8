"""`temporal_ordered`: all rules in the order written, certain or possible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from detector.candidate import Candidate
from detector.correlation.hit import Hit
from detector.correlation.plan import Plan
from detector.correlation.window import Window

Order = Literal["certain", "possible"]


class OrderedCondition:
    """Searches chains backwards from an event of the last rule.

    A before B is certain when ``tA + uA < tB - uB`` and possible when the intervals leave room for it. Going
    backwards and always taking the candidate that leaves most room finds a chain whenever there is one.
    """

    counts_rules = True

    def __init__(self, plan: Plan) -> None:
        self._rules = plan.rule.rules
        self._span_ns = plan.rule.timespan_ns
        self._cap_ns = plan.cap_ns
        self._certain_only = plan.rule.order == "certain"

    def inserted(self, candidate: Candidate) -> None:
        """Chains are read off the window."""

    def evicted(self, candidate: Candidate) -> None:
        """Chains are read off the window."""

    def hits(self, window: Window, candidate: Candidate) -> Iterator[Hit]:
        """Yield the chain that the candidate ends, and those of later last events that it completes."""
        last = self._rules[-1]
        if candidate.rule_name == last:
            hit = self._chain(window, candidate, None, candidate.event_id)
            if hit is not None:
                yield hit
        if candidate.rule_name in self._rules[:-1]:
            slack_ns = min(candidate.uncertainty_ns + window.max_uncertainty_ns, self._cap_ns)
            start_ns, end_ns = candidate.time_ns - slack_ns, candidate.time_ns + self._span_ns + slack_ns
            for _, event_id, _, anchor in list(window.rule_between(last, start_ns, end_ns)):
                if event_id != candidate.event_id:
                    hit = self._chain(window, anchor, candidate, candidate.event_id)
                    if hit is not None:
                        yield hit

    def between(self, window: Window, start_ns: int, end_ns: int, expired: Candidate) -> Hit | None:
        """Return whether a whole chain is left in a range of time, after a candidate has left it."""
        for _, _, _, anchor in reversed(window.rule_between(self._rules[-1], start_ns, end_ns)):
            hit = self._chain(window, anchor, None, expired.event_id, floor_ns=start_ns)
            if hit is not None:
                return hit
        return None

    def _chain(
        self,
        window: Window,
        anchor: Candidate,
        through: Candidate | None,
        decided_by: str,
        *,
        floor_ns: int | None = None,
    ) -> Hit | None:
        orders: tuple[Order, ...] = ("certain",) if self._certain_only else ("certain", "possible")
        slots = (
            [None] if through is None else [i for i, rule in enumerate(self._rules[:-1]) if rule == through.rule_name]
        )
        for order in orders:
            for slot in slots:
                chain = self._search(
                    window, anchor, order, {} if through is None or slot is None else {slot: through}, floor_ns
                )
                if chain is not None:
                    widened_ns = max(anchor.time_ns - chain[0].time_ns - self._span_ns, 0)
                    return Hit(
                        anchor=anchor,
                        evidence=tuple(chain),
                        decided_by=decided_by,
                        time_ns=anchor.time_ns,
                        order=order,
                        widened_ns=widened_ns,
                        reason=f"all {len(chain)} steps, order {order}",
                    )
        return None

    def _search(
        self, window: Window, anchor: Candidate, order: Order, fixed: dict[int, Candidate], floor_ns: int | None
    ) -> list[Candidate] | None:
        chain = [anchor]
        bound_ns = (
            anchor.time_ns - anchor.uncertainty_ns if order == "certain" else anchor.time_ns + anchor.uncertainty_ns
        )
        reach_ns = min(anchor.uncertainty_ns + window.max_uncertainty_ns, self._cap_ns)
        start_ns = anchor.time_ns - self._span_ns - reach_ns if floor_ns is None else floor_ns
        for slot in range(len(self._rules) - 2, -1, -1):
            if slot in fixed:
                choices = [fixed[slot]]
            else:
                # A candidate that can stand before the bound began no later than it, whatever its uncertainty.
                end_ns = bound_ns + window.max_uncertainty_ns
                choices = [entry[3] for entry in window.rule_between(self._rules[slot], start_ns, end_ns)]
            best: tuple[int, int, str] | None = None
            chosen: Candidate | None = None
            for choice in choices:
                room_ns = self._room(choice, anchor, bound_ns, order)
                if room_ns is None or any(choice.event_id == each.event_id for each in chain):
                    continue
                rank = (room_ns, choice.time_ns, choice.event_id)
                if best is None or rank > best:
                    best, chosen = rank, choice
            if chosen is None or best is None:
                return None
            chain.append(chosen)
            bound_ns = best[0]
        chain.reverse()
        return chain

    def _room(self, choice: Candidate, anchor: Candidate, bound_ns: int, order: Order) -> int | None:
        """Return the bound that a choice leaves for the one before it, None when it cannot stand there."""
        allowed_ns = self._span_ns + min(anchor.uncertainty_ns + choice.uncertainty_ns, self._cap_ns)
        if abs(anchor.time_ns - choice.time_ns) > allowed_ns:
            return None
        earliest_ns = choice.time_ns - choice.uncertainty_ns
        latest_ns = choice.time_ns + choice.uncertainty_ns
        if order == "certain":
            return earliest_ns if latest_ns < bound_ns else None
        return min(latest_ns, bound_ns) if earliest_ns <= bound_ns else None
