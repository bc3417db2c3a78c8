"""`first_seen`: values that a group has not had before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from detector.candidate import Candidate
from detector.correlation.first_seen import hit_of, shown_value, values_of
from detector.correlation.plan import Plan
from detector.correlation.sightings import PART
from detector.explaining.correlations.meaning import Moment, Near, in_order
from detector.explaining.correlations.words import Words, length


class Judged(msgspec.Struct, frozen=True):
    """One event, as far as what came before it decides.

    Attributes:
        candidate: The event.
        unknown: Its values that are new.
        last: The value that was seen last before it; None when none is remembered.
        known_by: The event that brought one of its values last; None when none did.
    """

    candidate: Candidate
    unknown: list[str]
    last: str | None
    known_by: Candidate | None


class NewValues:
    """The values of a group, one event after the other."""

    def __init__(self, plan: Plan, group: Sequence[Candidate], words: Words, since_ns: int) -> None:
        first_seen = plan.rule.first_seen
        assert first_seen is not None  # noqa: S101  the type says so
        self._plan = plan
        self._first_seen = first_seen
        self._learned_ns = since_ns + first_seen.learn_ns
        self._words = words
        self._valueless = [each for each in group if not values_of(plan.rule, each)]
        self._judged = list(self._judge(group))

    def moments(self) -> Iterator[Moment]:
        """Yield each event that has a value."""
        for each in self._judged:
            is_hit = each.unknown and each.candidate.time_ns >= self._learned_ns
            hits = (hit_of(self._plan.rule, each.candidate, each.unknown, each.last),) if is_hit else ()
            yield Moment(each.candidate.time_ns, hits)

    def nearest(self, limit: int) -> tuple[list[Near], int]:
        """Return what was new while it learned, the latest first, then what was known, the longest ago first."""
        learning = [each for each in self._judged if each.unknown][::-1]
        known = sorted((each for each in self._judged if not each.unknown), key=lambda each: -self._away_ns(each))
        near = [*map(self._learning, learning), *map(self._known, known), *map(self._lacking, self._valueless)]
        return near[:limit], len(near)

    def _judge(self, group: Sequence[Candidate]) -> Iterator[Judged]:
        seen = dict[str, Candidate]()
        last: tuple[str, Candidate] | None = None
        for each in in_order(group):
            values = self._values(each)
            oldest_ns = each.time_ns - self._first_seen.horizon_ns
            seen = {value: by for value, by in seen.items() if by.time_ns >= oldest_ns}
            last = last if last is not None and last[1].time_ns >= oldest_ns else None
            if not values:
                continue
            unknown = [value for value in values if value not in seen]
            if self._first_seen.memory == "last":
                unknown = values if last is not None and [last[0]] != values else []
            known_by = next((seen[value] for value in values if value in seen), last[1] if last else None)
            yield Judged(each, unknown, last[0] if last else None, known_by)
            seen |= dict.fromkeys(values, each)
            same = last is not None and last[1].time_ns == each.time_ns and self._first_seen.memory == "all"
            last = (max(last[0], *values) if same and last is not None else max(values), each)

    def _values(self, candidate: Candidate) -> list[str]:
        values = values_of(self._plan.rule, candidate)
        return [PART.join(values)] if values and self._first_seen.memory == "last" else values

    def _away_ns(self, each: Judged) -> int:
        return 0 if each.known_by is None else each.candidate.time_ns - each.known_by.time_ns

    def _learning(self, each: Judged) -> Near:
        left = length(self._learned_ns - each.candidate.time_ns)
        what = f"{self._words.event(each.candidate)} brought {_told(each.unknown)} while the rule still learned"
        return self._near(each.candidate, 0.9, "a new value", f"{what}: {left} too early")

    def _known(self, each: Judged) -> Near:
        value = _told(self._values(each.candidate))
        if each.known_by is None:
            what = f"{self._words.event(each.candidate)} brought {value}, the first value here: nothing changed"
        else:
            when = f"{self._words.event(each.known_by)}, {length(self._away_ns(each))} before"
            what = f"{value} of {self._words.event(each.candidate)} is known from {when}"
        share = self._away_ns(each) / max(1, self._first_seen.horizon_ns)
        return self._near(each.candidate, 0.5 + 0.3 * share, "a known value", what)

    def _lacking(self, candidate: Candidate) -> Near:
        missing = " and ".join(f"`{path}`" for path in self._plan.rule.field if candidate.fields.get(path) is None)
        what = f"{self._words.event(candidate)} has no {missing or 'value'}"
        return self._near(candidate, 0.1, "no value", what)

    def _near(self, candidate: Candidate, score: float, found: str, missing: str) -> Near:
        start_ns = candidate.time_ns - self._first_seen.horizon_ns
        return Near(
            score=score,
            start_ns=start_ns,
            end_ns=candidate.time_ns,
            candidates=(candidate,),
            found=found,
            missing=(missing,),
        )


def _told(values: Sequence[str]) -> str:
    return " and ".join(f"`{shown_value(each)}`" for each in values[:5])
