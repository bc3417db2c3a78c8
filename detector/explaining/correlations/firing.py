"""Which moments of a group make an alert or a result: the episodes of docs/explanation/order.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from detector.candidate import GroupKey
from detector.correlation.composing import Composer
from detector.correlation.hit import Hit
from detector.correlation.plan import Plan
from detector.explaining.correlations.meaning import Moment


class Firing(NamedTuple):
    """A moment at which the condition holds, for the group that reports it.

    Attributes:
        at_ns: When it was decided.
        hit: What held.
        has_result: Outer correlations take it.
    """

    at_ns: int
    hit: Hit
    has_result: bool


def firings(moments: Iterable[Moment], composer: Composer, key: GroupKey) -> Iterator[Firing]:
    """Yield the moments that this group reports; what expires while an alert is open is no news."""
    episode = _Episode(composer.plan)
    for moment in moments:
        was_open = episode.is_open_at(moment)
        claimed = [hit for hit in moment.hits if composer.claim(hit, key)]
        episode.take(moment, claimed)
        if claimed and not (moment.is_expiry and was_open):
            yield Firing(moment.at_ns, claimed[0], claimed[0] is moment.hits[0])


class _Episode:
    """Whether an alert is open."""

    def __init__(self, plan: Plan) -> None:
        self._span_ns = plan.rule.timespan_ns
        self._longest_ns = plan.rule.max_episode_ns
        self._lasts = plan.rule.meta.generate and plan.rule.refire == "episode" and _has_episodes(plan)
        self._opened_ns: int | None = None
        self._false_ns: int | None = None

    def is_open_at(self, moment: Moment) -> bool:
        """Return whether it is open just before a moment; an expiry comes after the closing of its instant."""
        if self._opened_ns is None:
            return False
        closes_ns = self._opened_ns + self._longest_ns
        if self._false_ns is not None:
            closes_ns = min(closes_ns, self._false_ns + self._span_ns)
        if closes_ns < moment.at_ns or (moment.is_expiry and closes_ns == moment.at_ns):
            self._opened_ns = self._false_ns = None
        return self._opened_ns is not None

    def take(self, moment: Moment, claimed: list[Hit]) -> None:
        """Learn what held at a moment."""
        if not self._lasts:
            return
        if claimed and self._opened_ns is None:
            self._opened_ns = min(each.time_ns for each in claimed[0].evidence)
            self._false_ns = None
        elif moment.hits:
            self._false_ns = None
        elif self._opened_ns is not None and self._false_ns is None:
            self._false_ns = moment.at_ns


def _has_episodes(plan: Plan) -> bool:
    rule = plan.rule
    decided_apart = any(each is not None for each in (rule.absence, rule.during, rule.first_seen, rule.travel))
    return not decided_apart and not (rule.expression is not None and plan.needs_silence)
