"""Episodes of a count against a plain walk through time: when they open, how often they match, when they are others."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detector.correlation.driving import SECOND, Arrival, Bench, rule

SPAN_S, MAX_EPISODE_S = 5.0, 13.0

CONDITIONS: dict[str, tuple[Callable[[int], bool], bool]] = {
    "{gte: 2}": (lambda number: number >= 2, False),
    "{gt: 2}": (lambda number: number > 2, False),
    "{gte: 1}": (lambda number: number >= 1, False),
    "{lt: 2}": (lambda number: number < 2, True),
    "{eq: 2}": (lambda number: number == 2, True),
    "{neq: 1}": (lambda number: number != 1, True),
    "{gt: 1, lte: 3}": (lambda number: 1 < number <= 3, True),
}


class _Walk:
    """One group's life, instant by instant."""

    def __init__(self, times: Sequence[float], holds: Callable[[int], bool], *, by_expiry: bool) -> None:
        self._times = sorted(times)
        self._holds = holds
        self._by_expiry = by_expiry
        self._began_s: float | None = None
        self._false_s: float | None = None
        self.found = list[tuple[int, float]]()

    def run(self) -> list[tuple[int, float]]:
        """Return the matches and the last time of each episode."""
        instants = {*self._times, *(time_s + SPAN_S for time_s in self._times)}
        while instants:
            now_s = min(instants)
            instants.discard(now_s)
            for index, time_s in enumerate(self._times):
                if time_s == now_s:
                    self._look(self._times[: index + 1], now_s - SPAN_S, now_s)
            self._close(now_s)
            if now_s - SPAN_S in self._times:
                self._expire(now_s)
            if self._end_s() is not None and self._end_s() > now_s:  # type: ignore[operator]  # not None
                instants.add(self._end_s())  # type: ignore[arg-type]  # not None
        return self.found

    def _look(self, applied: Sequence[float], start_s: float, now_s: float) -> None:
        window = [time_s for time_s in applied if time_s >= start_s]
        if self._holds(len(window)):
            self._match(window[0], now_s)
        elif self._began_s is not None and self._false_s is None:
            self._false_s = now_s

    def _expire(self, now_s: float) -> None:
        window = [time_s for time_s in self._times if now_s - SPAN_S < time_s <= now_s]
        held = bool(window) and self._holds(len(window))
        if self._began_s is not None:
            self._false_s = None if held else (now_s if self._false_s is None else self._false_s)
        elif held and self._by_expiry:
            self._match(window[0], now_s)

    def _match(self, began_s: float, now_s: float) -> None:
        if self._began_s is None:
            self._began_s = began_s
            self.found.append((0, now_s))
        self.found[-1] = (self.found[-1][0] + 1, now_s)
        self._false_s = None

    def _end_s(self) -> float | None:
        if self._began_s is None:
            return None
        ends = [self._began_s + MAX_EPISODE_S]
        return min([*ends, self._false_s + SPAN_S]) if self._false_s is not None else ends[0]

    def _close(self, now_s: float) -> None:
        end_s = self._end_s()
        if end_s is not None and end_s <= now_s:
            self._began_s = self._false_s = None


@functools.cache
def _bench(condition: str) -> Bench:
    body = f"  type: event_count\n  rules: [a]\n  timespan: {SPAN_S:g}s\n  max_episode: {MAX_EPISODE_S:g}s\n"
    return Bench(f"{rule('a', 'a')}---\ntitle: t\nname: t\ncorrelation:\n{body}  condition: {condition}\n")


@pytest.mark.parametrize("condition", CONDITIONS)
@settings(max_examples=150, deadline=None)
@given(halves=st.lists(st.integers(0, 60), max_size=14))
def test_episodes_are_those_of_a_walk_through_time(condition: str, halves: list[int]) -> None:
    holds, by_expiry = CONDITIONS[condition]
    times = [half / 2 for half in halves]
    arrivals = [Arrival(f"{n:02d}", time_s, time_s, {"event.action": "a"}) for n, time_s in enumerate(times)]
    drafts = _bench(condition).run(arrivals).values()
    told = sorted((draft.last_ns / SECOND, draft.count) for draft in drafts)
    wanted = sorted((last_s, count) for count, last_s in _Walk(times, holds, by_expiry=by_expiry).run())
    assert told == wanted
    assert all(draft.status == "closed" for draft in drafts)
