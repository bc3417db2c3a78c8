"""One rule against many events: those that match, and the nearest of those that do not."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any

import msgspec

from detector.explaining.model import Explanation
from detector.explaining.rule import RuleExplainer
from detector.rules.model import LogSource

COMPARED = 20
"""Misses beyond the limit that are kept, as of several at one distance some are nearer than others."""

_Kept = tuple[float, int, Mapping[str, Any], LogSource]


class RuleExplanations(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a rule makes of many events.

    Attributes:
        rule_id: Key of the rule.
        rule_title: Its title.
        events: How many there were.
        matched: How many of them match.
        explanations: Of the first that match, then of those that came nearest.
        left_out: How many events are not explained, for want of room.
    """

    rule_id: str
    rule_title: str
    events: int
    matched: int
    explanations: tuple[Explanation, ...] = ()
    left_out: int = 0


class Nearest:
    """Keeps the events that are worth explaining, without keeping the others.

    Args:
        explainer: Of the rule.
        limit: Events that are kept of those that match, and of those that do not.
    """

    def __init__(self, explainer: RuleExplainer, limit: int) -> None:
        self._explainer = explainer
        self._limit = limit
        self._kept = limit + COMPARED
        self._matches = list[_Kept]()
        self._misses = list[_Kept]()
        self._events = 0
        self._matched = 0

    def add(self, index: int, event: Mapping[str, Any], source: LogSource) -> None:
        """Look at one more event."""
        distance = self._explainer.distance(event, source)
        self._events += 1
        self._matched += not distance
        if not distance:
            if len(self._matches) < self._limit:
                self._matches.append((0.0, index, event, source))
        elif len(self._misses) < self._kept:
            heapq.heappush(self._misses, (-distance, -index, event, source))
        elif (-distance, -index) > self._misses[0][:2]:
            heapq.heapreplace(self._misses, (-distance, -index, event, source))

    def explanations(self) -> RuleExplanations:
        """Explain what was kept: matches first, then the nearest."""
        misses = sorted(self._misses, key=self._rank)[: self._limit]
        told = [
            self._explainer.explain(event, source, abs(index)) for _, index, event, source in (*self._matches, *misses)
        ]
        meta = self._explainer.rule.meta
        return RuleExplanations(
            rule_id=meta.id,
            rule_title=meta.title,
            events=self._events,
            matched=self._matched,
            explanations=tuple(told),
            left_out=self._events - len(told),
        )

    def _rank(self, kept: _Kept) -> tuple[float, int, int]:
        distance, index, event, _ = kept
        return -distance, -self._explainer.slips(event), -index
