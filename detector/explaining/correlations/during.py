"""`during`: a trigger while an interval is open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detector.candidate import Candidate, GroupKey
from detector.correlation.during import fields_of_openers, key_of, key_text
from detector.correlation.hit import Hit
from detector.correlation.plan import Plan
from detector.correlation.thresholds import all_hold
from detector.explaining.correlations.meaning import Moment, Near, Timeline, in_order, place_of
from detector.explaining.correlations.whereabouts import Whereabouts
from detector.explaining.correlations.words import Words, compared, length
from detector.explaining.wording import shown

MAX_OPENERS = 20
"""Openers that a result carries, as the engine carries them."""

MAX_TOLD = 5
"""Intervals that are told of one trigger."""


class Open:
    """The intervals that are open at each trigger: for each key the newest opener, unless it was closed."""

    def __init__(self, plan: Plan, key: GroupKey, group: Sequence[Candidate], words: Words) -> None:
        during = plan.rule.during
        assert during is not None  # noqa: S101  the type says so
        self._during = during
        self._timeline = Timeline(group)
        self._keys = {place_of(each): key_of(during.key, each) for each in self._timeline.entries}
        self._words = words
        self._where = Whereabouts(words, key, self._timeline)

    def moments(self) -> Iterator[Moment]:
        """Yield each trigger."""
        for trigger in self._triggers():
            openers = [each for each in self._newest(trigger) if self._obstacle(each, trigger) is None]
            if not all_hold(self._during.count, len(openers)):
                yield Moment(trigger.time_ns, ())
                continue
            hit = Hit(
                anchor=trigger,
                evidence=(*openers[-MAX_OPENERS:], trigger),
                decided_by=trigger.event_id,
                time_ns=trigger.time_ns,
                reason=f"{len(openers)} open",
                fields=fields_of_openers(trigger, openers),
            )
            yield Moment(trigger.time_ns, (hit,))

    def nearest(self, limit: int) -> tuple[list[Near], int]:
        """Return the triggers, those with the most intervals first."""
        triggers = sorted(self._triggers(), key=lambda trigger: -len(self._newest(trigger)))
        return [self._near(trigger) for trigger in triggers[:limit]], len(triggers)

    def _triggers(self) -> Sequence[Candidate]:
        return self._timeline.all_of(self._during.trigger)

    def _newest(self, trigger: Candidate) -> list[Candidate]:
        """Return the newest opener of each key before a trigger, oldest first."""
        newest = dict[str, Candidate]()
        for each in self._of(self._during.open, trigger.time_ns - self._during.max_age_ns, trigger.time_ns):
            if each.event_id != trigger.event_id:
                newest[self._keys[place_of(each)]] = each
        return in_order(newest.values())

    def _of(self, rules: Sequence[str], start_ns: int, end_ns: int) -> list[Candidate]:
        return in_order(each for rule in rules for each in self._timeline.of(rule, start_ns, end_ns))

    def _obstacle(self, opener: Candidate, trigger: Candidate) -> str | None:
        """Say why an interval does not count; None when it does."""
        during, words = self._during, self._words
        who = f"{words.rule(opener.rule_name)} ({words.event(opener)})"
        close = self._close(opener, trigger)
        if close is not None:
            return f"{who} was closed by {words.rule(close.rule_name)} ({words.event(close)}) before"
        open_ns = trigger.time_ns - opener.time_ns
        if open_ns < during.for_ns:
            return f"{who} was open for {length(open_ns)}, not {length(during.for_ns)}"
        if during.distinct is None:
            return None
        here, there = trigger.fields.get(during.distinct), opener.fields.get(during.distinct)
        if here is None or there is None:
            return f"{who}: `{during.distinct}` is unknown there or at the trigger, and must differ"
        is_same = key_text(during.distinct, here) == key_text(during.distinct, there)
        return f"{who} has the same `{during.distinct}` {shown(here)}, and must differ" if is_same else None

    def _close(self, opener: Candidate, trigger: Candidate) -> Candidate | None:
        key = self._keys[place_of(opener)]
        closes = [self._timeline.of(rule, opener.time_ns, trigger.time_ns - 1) for rule in self._during.close]
        firsts = (
            next((e for e in found if e.event_id != opener.event_id and self._keys[place_of(e)] == key), None)
            for found in closes
        )
        return min((each for each in firsts if each is not None), key=place_of, default=None)

    def _near(self, trigger: Candidate) -> Near:
        newest = self._newest(trigger)
        return Near(
            score=0.9 if newest else 0.3,
            start_ns=trigger.time_ns - self._during.max_age_ns,
            end_ns=trigger.time_ns,
            candidates=(*newest[-MAX_TOLD:], trigger),
            found=f"{sum(self._obstacle(each, trigger) is None for each in newest)} open",
            missing=tuple(self._missing(trigger, newest)),
        )

    def _missing(self, trigger: Candidate, newest: list[Candidate]) -> Iterator[str]:
        start_ns = trigger.time_ns - self._during.max_age_ns
        obstacles = [each for opener in newest if (each := self._obstacle(opener, trigger)) is not None]
        yield from obstacles[:MAX_TOLD]
        counted = len(newest) - len(obstacles)
        if newest and counted:
            yield f"{counted} open at {self._words.event(trigger)}, not {compared(self._during.count)}"
        if not newest:
            for rule in self._during.open:
                yield self._where.of(rule, start_ns, trigger.time_ns)
