"""`travel`: moves from place to place, and how far from impossible they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detector.candidate import Candidate
from detector.correlation.plan import Plan
from detector.correlation.travel import MAX_COMPARED, Move, hit_of, left_out, move_between, reason_of, spoken
from detector.explaining.correlations.meaning import Moment, Near, Timeline
from detector.explaining.correlations.words import Words

_WHY = {
    "shared": "belongs to a shared account, which may be at two places",
    "placeless": "tells no place: neither `{place}` nor coordinates beside it",
}


class Moves:
    """Each event of a group with the one before it, or an earlier one while only doubt allows the move."""

    def __init__(self, plan: Plan, group: Sequence[Candidate], words: Words) -> None:
        travel = plan.rule.travel
        assert travel is not None  # noqa: S101  the type says so
        self._travel = travel
        self._span_ns = plan.rule.timespan_ns
        self._words = words
        reasons = [(each, left_out(plan.rule, each)) for each in group]
        self._left_out = [(each, reason) for each, reason in reasons if reason]
        self._timeline = Timeline(each for each, reason in reasons if not reason)

    def moments(self) -> Iterator[Moment]:
        """Yield each event that has a place."""
        for candidate in self._timeline.entries:
            moves = self._moves_to(candidate)
            found = next((each for each in moves if each is not None and each.is_impossible), None)
            yield Moment(candidate.time_ns, () if found is None else (hit_of(self._travel, found, candidate),))

    def nearest(self, limit: int) -> tuple[list[Near], int]:
        """Return the moves that were the least too slow, then what could not be judged."""
        near = list[Near]()
        for candidate in self._timeline.entries:
            moves = [each for each in self._moves_to(candidate) if each is not None]
            near += [self._slow(each) for each in moves if each.way.least_ns]
            if not moves and self._before(candidate):
                near.append(self._distanceless(candidate))
        near += [self._unplaced(each, reason) for each, reason in self._left_out]
        if not near and self._timeline.entries:
            near = [self._still(self._timeline.entries[-1])]
        near.sort(key=lambda each: -each.score)
        return near[:limit], len(near)

    def _moves_to(self, candidate: Candidate) -> list[Move | None]:
        """Return the moves that end with an event, as far back as one looks."""
        moves = list[Move | None]()
        for before in reversed(self._before(candidate)):
            move = move_between(self._travel, before, candidate)
            moves.append(move)
            if move is not None and (move.is_impossible or move.settles(candidate)):
                break
        return moves

    def _before(self, candidate: Candidate) -> list[Candidate]:
        place = (candidate.time_ns, candidate.event_id)
        within = self._timeline.between(candidate.time_ns - self._span_ns, candidate.time_ns)
        return [each for each in within if (each.time_ns, each.event_id) < place][-MAX_COMPARED:]

    def _slow(self, move: Move) -> Near:
        left_ns = move.elapsed_ns + move.doubt_ns - move.way.least_ns
        what = f"{self._words.event(move.before)} to {self._words.event(move.after)}: {reason_of(self._travel, move)}"
        slower = f"{spoken(left_ns)} slower than impossible" if left_ns > 0 else "just as fast as possible"
        share = min(1.0, move.way.least_ns / max(1, move.elapsed_ns + move.doubt_ns))
        return _near((move.before, move.after), 0.5 + 0.4 * share, "a move", f"{what}; {slower}")

    def _distanceless(self, candidate: Candidate) -> Near:
        before = self._before(candidate)[-1]
        return _near(
            (before, candidate),
            0.3,
            "a move of unknown length",
            f"nothing says how far {self._words.event(before)} and {self._words.event(candidate)} are apart: "
            "give coordinates (`geo` beside the place), or a row of the locations table",
        )

    def _unplaced(self, candidate: Candidate, reason: str) -> Near:
        why = _WHY[reason].format(place=self._travel.place)
        return _near((candidate,), 0.2, "no verdict", f"{self._words.event(candidate)} {why}")

    def _still(self, candidate: Candidate) -> Near:
        return _near((candidate,), 0.1, "no move", f"all events up to {self._words.event(candidate)} are at one place")


def _near(candidates: tuple[Candidate, ...], score: float, found: str, missing: str) -> Near:
    return Near(
        score=score,
        start_ns=candidates[0].time_ns,
        end_ns=candidates[-1].time_ns,
        candidates=candidates,
        found=found,
        missing=(missing,),
    )
