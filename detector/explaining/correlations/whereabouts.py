"""Where a rule was when it was not in a window: too early, too late, in another group, nowhere."""

from __future__ import annotations

from detector.candidate import GroupKey
from detector.explaining.correlations.meaning import Timeline
from detector.explaining.correlations.words import Words, length


class Whereabouts:
    """Knows where the rules of one group matched.

    Args:
        words: Names.
        key: The group.
        timeline: All its candidates.
    """

    def __init__(self, words: Words, key: GroupKey, timeline: Timeline) -> None:
        self._words = words
        self._key = key
        self._timeline = timeline

    def of(self, rule_id: str, start_ns: int, end_ns: int) -> str:
        """Say why a rule has no match between two times, both included."""
        words = self._words
        found = self._timeline.all_of(rule_id)
        if not found:
            elsewhere = words.elsewhere(rule_id, self._key, start_ns, end_ns)
            return f"{words.rule(rule_id)}: {f'no match in this group; {elsewhere}' if elsewhere else 'no match'}"
        nearest = min(found, key=lambda each: max(start_ns - each.time_ns, each.time_ns - end_ns))
        gap_ns = max(start_ns - nearest.time_ns, nearest.time_ns - end_ns)
        if gap_ns <= 0:
            return f"{words.rule(rule_id)}: {words.event(nearest)} is counted for another of them already"
        side = "too early" if nearest.time_ns < start_ns else "too late"
        elsewhere = words.elsewhere(rule_id, self._key, start_ns, end_ns, in_time=True)
        in_time = f"; in time, {elsewhere}" if elsewhere else ""
        return f"{words.rule(rule_id)}: the nearest match was {words.event(nearest)}, {length(gap_ns)} {side}{in_time}"
