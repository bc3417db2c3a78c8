"""`temporal_ordered`: all rules in the order written, certain or possible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
    tallies = False

    def __init__(self, plan: Plan) -> None:
        self._rules = plan.rule.rules
        self._different = len(set(plan.rule.rules))
        self._span_ns = plan.rule.timespan_ns
        self._cap_ns = plan.cap_ns
        self._certain_only = plan.rule.order == "certain"

    def entered(self, window: Window, candidate: Candidate) -> None:
        """Chains are read off the window."""

    def left(self, window: Window, candidates: Sequence[Candidate]) -> None:
        """Chains are read off the window."""

    def hits(
        self,
        window: Window,
        candidate: Candidate,
        *,
        is_newest: bool,
        is_open: bool,  # noqa: ARG002  one entry a rule is all the evidence there is
    ) -> Sequence[Hit]:
        """Return the chain that the candidate ends, and those of later last events that it completes."""
        if window.size < len(self._rules) or len(window.rules()) < self._different:
            return ()
        if is_newest and candidate.rule_name != self._rules[-1] and not self._may_precede_others(window, candidate):
            return ()
        return list(self._chains(window, candidate))

    def next_change_ns(self, window: Window, expired_ns: int) -> int | None:
        """Return when the next candidate leaves."""
        following = window.first_after(expired_ns)
        return None if following is None else following[0] + self._span_ns

    def _may_precede_others(self, window: Window, candidate: Candidate) -> bool:
        """Return whether something could come after the newest candidate all the same: by doubt, or in its instant."""
        return bool(window.max_uncertainty_ns) or window.from_newest(2)[0] == candidate.time_ns

    def _chains(self, window: Window, candidate: Candidate) -> Iterator[Hit]:
        last = self._rules[-1]
        if candidate.rule_name == last:
            hit = self._chain(window, candidate, None, candidate.event_id)
            if hit is not None:
                yield hit
        if candidate.rule_name in self._rules[:-1]:
            slack_ns = min(candidate.uncertainty_ns + window.max_uncertainty_ns, self._cap_ns)
            start_ns, end_ns = candidate.time_ns - slack_ns, candidate.time_ns + self._span_ns + slack_ns
            for _, event_id, _, anchor in window.rule_between(last, start_ns, end_ns):
                if event_id != candidate.event_id:
                    hit = self._chain(window, anchor, candidate, candidate.event_id)
                    if hit is not None:
                        yield hit

    def holds_between(self, window: Window, start_ns: int, end_ns: int) -> bool:
        """Return whether a whole chain is left in a range of time."""
        return self._left(window, start_ns, end_ns, "") is not None

    def between(self, window: Window, start_ns: int, end_ns: int, expired: Candidate) -> Hit | None:
        """Return the chain that is left in a range of time, after a candidate has left it."""
        return self._left(window, start_ns, end_ns, expired.event_id)

    def _left(self, window: Window, start_ns: int, end_ns: int, decided_by: str) -> Hit | None:
        anchors = window.rule_between(self._rules[-1], start_ns, end_ns)
        # Whatever ends a chain well before the newest anchor, doubt taken twice, leaves that one a chain as well.
        decisive_ns = anchors[-1][0] - 2 * window.max_uncertainty_ns if anchors else end_ns
        for time_ns, _, _, anchor in reversed(anchors):
            if time_ns < decisive_ns:
                return None
            hit = self._chain(window, anchor, None, decided_by, floor_ns=start_ns)
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
                choices: Iterable[Candidate] = (fixed[slot],)
            else:
                # A candidate that can stand before the bound began no later than it, whatever its uncertainty.
                end_ns = bound_ns + window.max_uncertainty_ns
                choices = (entry[3] for entry in window.of_rule(self._rules[slot]).backwards(end_ns))
            best = self._best(choices, chain, bound_ns, order, start_ns, window.max_uncertainty_ns)
            if best is None:
                return None
            bound_ns = best[0]
            chain.append(best[1])
        chain.reverse()
        return chain

    def _best(  # noqa: PLR0913, PLR0917  one step of a search needs all of it
        self,
        choices: Iterable[Candidate],
        chain: list[Candidate],
        bound_ns: int,
        order: Order,
        start_ns: int,
        doubt_ns: int,
    ) -> tuple[int, Candidate] | None:
        """Return the choice that leaves most room before it, of choices given newest first, and that room.

        Older choices leave less, whatever their doubt, so only a few are looked at, however long the window is.
        """
        best: tuple[int, int, str] | None = None
        chosen: Candidate | None = None
        for choice in choices:
            most_ns = choice.time_ns if order == "certain" else min(choice.time_ns + doubt_ns, bound_ns)
            if choice.time_ns < start_ns or (best is not None and (most_ns, choice.time_ns) < best[:2]):
                break
            room_ns = self._room(choice, chain[0], bound_ns, order)
            if room_ns is None or any(choice.event_id == each.event_id for each in chain):
                continue
            rank = (room_ns, choice.time_ns, choice.event_id)
            if best is None or rank > best:
                best, chosen = rank, choice
        return None if best is None or chosen is None else (best[0], chosen)

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
