"""`temporal_ordered`: all rules in the order written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detector.candidate import Candidate, GroupKey
from detector.correlation.hit import Hit
from detector.correlation.plan import Plan
from detector.explaining.correlations.meaning import Moment, Near, Place, Timeline, place_of
from detector.explaining.correlations.whereabouts import Whereabouts
from detector.explaining.correlations.words import Words, length


class Ordered:
    """Chains that end with a match of the last rule; without uncertainty, order is the order of times.

    Equal times are possible in any order, and certain in none.
    """

    def __init__(self, plan: Plan, key: GroupKey, group: Sequence[Candidate], words: Words) -> None:
        self._plan = plan
        self._timeline = Timeline(group)
        self._words = words
        self._where = Whereabouts(words, key, self._timeline)
        self._rules = plan.rule.rules
        self._span_ns = plan.rule.timespan_ns

    def moments(self) -> Iterator[Moment]:
        """Yield the chains that each event ends or, at the same instant as their last one, completes."""
        for candidate in self._timeline.entries:
            yield Moment(candidate.time_ns, tuple(self.hits(candidate, place_of(candidate))))

    def nearest(self, limit: int) -> tuple[list[Near], int]:  # noqa: ARG002  windows overlap: one is told
        """Return the longest beginning of a chain."""
        if not self._timeline.entries:
            return [], 0
        firsts = self._timeline.all_of(self._rules[0])
        if not firsts:
            return [self._headless()], 1
        chain = max(map(self._beginning, firsts), key=len)
        near = Near(
            score=0.99 * len(chain) / len(self._rules),
            start_ns=chain[0].time_ns,
            end_ns=chain[0].time_ns + self._span_ns,
            candidates=tuple(chain),
            found=f"{len(chain)} of {len(self._rules)} steps",
            missing=tuple(self._missing(chain)),
        )
        return [near], 1

    def hits(self, candidate: Candidate, applied: Place | None = None) -> Iterator[Hit]:
        """Yield the chain that a candidate ends, and those through it that a later last event ends.

        Args:
            candidate: A candidate.
            applied: Up to where candidates may be part of the chains; None: all.
        """
        last = self._rules[-1]
        if candidate.rule_name == last:
            hit = self._chain(candidate, {}, applied, candidate.event_id)
            if hit is not None:
                yield hit
        through = {slot: candidate for slot, rule in enumerate(self._rules[:-1]) if rule == candidate.rule_name}
        end_ns = candidate.time_ns + self._span_ns
        for anchor in self._timeline.of(last, candidate.time_ns, end_ns, applied) if through else ():
            if anchor.event_id != candidate.event_id:
                hit = self._chain(anchor, through, applied, candidate.event_id)
                if hit is not None:
                    yield hit

    def _chain(
        self, anchor: Candidate, through: dict[int, Candidate], applied: Place | None, decided_by: str
    ) -> Hit | None:
        """Return the latest chain before an anchor, through a candidate in one of its places if any are given."""
        for is_certain in (True,) if self._plan.rule.order == "certain" else (True, False):
            for fixed in [{slot: each} for slot, each in through.items()] or [{}]:
                chain = self._search(anchor, fixed, applied, is_certain=is_certain)
                if chain is not None:
                    return Hit(
                        anchor=anchor,
                        evidence=tuple(chain),
                        decided_by=decided_by,
                        time_ns=anchor.time_ns,
                        order="certain" if is_certain else "possible",
                        reason=f"all {len(chain)} steps",
                    )
        return None

    def _search(
        self, anchor: Candidate, fixed: dict[int, Candidate], applied: Place | None, *, is_certain: bool
    ) -> list[Candidate] | None:
        chain = [anchor]
        for slot in range(len(self._rules) - 2, -1, -1):
            end_ns = chain[-1].time_ns - is_certain
            choices = self._timeline.of(self._rules[slot], anchor.time_ns - self._span_ns, end_ns, applied)
            if slot in fixed:
                choices = [fixed[slot]] if anchor.time_ns - self._span_ns <= fixed[slot].time_ns <= end_ns else []
            chosen = next((each for each in reversed(choices) if _is_new(each, chain)), None)
            if chosen is None:
                return None
            chain.append(chosen)
        return chain[::-1]

    def _beginning(self, first: Candidate) -> list[Candidate]:
        """Follow a chain from its first step as far as it goes, always to the earliest next step."""
        chain = [first]
        is_certain = self._plan.rule.order == "certain"
        for rule in self._rules[1:]:
            following = self._timeline.of(rule, chain[-1].time_ns + is_certain, first.time_ns + self._span_ns)
            chosen = next((each for each in following if _is_new(each, chain)), None)
            if chosen is None:
                break
            chain.append(chosen)
        return chain

    def _missing(self, chain: list[Candidate]) -> Iterator[str]:
        if len(chain) == len(self._rules):  # pragma: no cover  then the group has fired
            return
        rule, last = self._rules[len(chain)], chain[-1]
        end_ns = chain[0].time_ns + self._span_ns
        found = self._timeline.all_of(rule)
        after = [each for each in found if each.time_ns > last.time_ns]
        before = [each for each in found if each.time_ns <= last.time_ns]
        if before and not after:
            yield self._order(before[-1], last)
        else:
            yield self._where.of(rule, last.time_ns, end_ns)
        for other in dict.fromkeys(self._rules[len(chain) + 1 :]):
            if not self._timeline.all_of(other):
                yield self._where.of(other, last.time_ns, end_ns)

    def _order(self, early: Candidate, before: Candidate) -> str:
        words = self._words
        pair = f"{words.rule(early.rule_name)} ({words.event(early)})"
        other = f"{words.rule(before.rule_name)} ({words.event(before)})"
        if early.event_id == before.event_id:
            return f"order: {pair} is the same event as {other}"
        if early.time_ns == before.time_ns:
            return f"order: {pair} has the same time as {other}, and `order: certain` asks for a later one"
        return f"order: {pair} came {length(before.time_ns - early.time_ns)} before {other}"

    def _headless(self) -> Near:
        first, last = self._timeline.entries[0], self._timeline.entries[-1]
        reason = self._where.of(self._rules[0], last.time_ns - self._span_ns, last.time_ns)
        return Near(
            score=0.0,
            start_ns=first.time_ns,
            end_ns=last.time_ns,
            candidates=tuple(self._timeline.entries),
            found=f"0 of {len(self._rules)} steps",
            missing=(reason,),
        )


def _is_new(candidate: Candidate, chain: Sequence[Candidate]) -> bool:
    """Return whether no step of a chain is the same event."""
    return all(candidate.event_id != each.event_id for each in chain)
