"""`during`: a trigger while an interval is open, or while none is."""

from __future__ import annotations

from typing import Literal

from detector.candidate import Candidate, GroupKey
from detector.correlation.composing import Composer
from detector.correlation.effects import Effects
from detector.correlation.group import Changes
from detector.correlation.hit import Hit
from detector.correlation.keys import canonical_text, is_folded
from detector.correlation.liveness import Watch
from detector.correlation.plan import CorrelationSettings
from detector.correlation.thresholds import all_hold, only_grow
from detector.correlation.triggered import TriggeredGroup
from normalizers.event import Value

PERSON = "convergence.person.id"


class DuringGroup(TriggeredGroup):
    """Asks, for each trigger, which intervals are open.

    The opener must possibly lie before the trigger. A close ends an interval when it follows the opener and lies
    certainly before the trigger; within one source stamps are compared as they are, as one clock made both.
    """

    def __init__(self, composer: Composer, key: GroupKey, settings: CorrelationSettings, watch: Watch) -> None:
        during = composer.plan.rule.during
        assert during is not None  # noqa: S101  the level picks the class by this
        super().__init__(composer, key, (during.trigger,), settings.max_candidates)
        self._during = during
        self._partner_rules = frozenset((*during.open, *during.close))
        self._watch = watch
        # What the engine notices began with the engine: nothing of it was open before.
        self._is_own = all(settings.is_own(rule) for rule in during.open)
        self._partner_uncertainty_ns = settings.partner_uncertainty_ns

    def _decided_at(self, trigger: Candidate) -> int:
        return trigger.time_ns + min(self._plan.cap_ns, trigger.uncertainty_ns + self._partner_uncertainty_ns)

    def _joined(self, candidate: Candidate, order_ns: int, effects: Effects, changes: Changes) -> None:
        """Look again at the decided triggers for which an interval opened or closed late."""
        if candidate.rule_name not in self._partner_rules:
            return
        slack_ns = min(candidate.uncertainty_ns + self.window.max_uncertainty_ns, self._plan.cap_ns)
        last_ns = min(candidate.time_ns + self._during.max_age_ns, order_ns)
        for trigger in self._decided_between(candidate.time_ns - slack_ns, last_ns):
            reason = f"what was open at that time came to be known late: {self._composer.summary_of(candidate)}"
            self._decide_again(trigger, order_ns, reason, effects, changes)

    def _hit(self, trigger: Candidate) -> Hit | None:
        openers = self._open_at(trigger)
        watched = self._is_own or self._was_watched(trigger)
        known = watched or only_grow(self._during.count)
        if not known or not all_hold(self._during.count, len(openers)):
            return None
        added = fields_of_openers(trigger, openers)
        return Hit(
            anchor=trigger,
            evidence=(*openers[-_MAX_OPENERS:], trigger),
            decided_by=trigger.event_id,
            time_ns=trigger.time_ns,
            order=self._order(openers, trigger),
            widened_ns=max([0, *(each.time_ns - trigger.time_ns for each in openers)]),
            coverage=("full" if watched else "partial") if "convergence.person.via" in added else None,
            late=trigger.ready_ns - trigger.time_ns > self._plan.lateness_ns,
            reason=f"{len(openers)} open at that time",
            fields=added,
        )

    def _was_watched(self, trigger: Candidate) -> bool:
        start_ns = trigger.time_ns - self._during.max_age_ns
        return self._watch.covers(self._plan.rule.meta.id, start_ns, trigger.time_ns)

    def _order(self, openers: list[Candidate], trigger: Candidate) -> Literal["certain", "possible"] | None:
        """Tell whether all that is open was certainly opened before the trigger; None when nothing is open."""
        if not openers:
            return None
        certain = all(each.time_ns + self._doubt(each, trigger) < trigger.time_ns for each in openers)
        return "certain" if certain else "possible"

    def _open_at(self, trigger: Candidate) -> list[Candidate]:
        """Return the openers of the intervals that are open, oldest first; one for each key."""
        newest = self._newest_openers(trigger)
        if not newest:
            return []
        first_ns = min(opener.time_ns for opener in newest.values())
        for rule in self._during.close:
            for _, _, _, close in self.window.rule_between(rule, first_ns, trigger.time_ns):
                key = key_of(self._during.key, close)
                if key in newest and self._ends(close, newest[key], trigger):
                    del newest[key]
        found = [each for each in newest.values() if self._counts(each, trigger)]
        return sorted(found, key=_age)

    def _newest_openers(self, trigger: Candidate) -> dict[str, Candidate]:
        """Return the newest opener of each key that may lie before a trigger."""
        newest = dict[str, Candidate]()
        start_ns = trigger.time_ns - self._during.max_age_ns
        slack_ns = min(trigger.uncertainty_ns + self.window.max_uncertainty_ns, self._plan.cap_ns)
        for rule in self._during.open:
            for _, _, _, opener in reversed(self.window.rule_between(rule, start_ns, trigger.time_ns + slack_ns)):
                if opener.event_id == trigger.event_id or not self._may_precede(opener, trigger):
                    continue
                key = key_of(self._during.key, opener)
                if key not in newest or _age(newest[key]) < _age(opener):
                    newest[key] = opener
                if self._during.key is None:
                    break
        return newest

    def _may_precede(self, opener: Candidate, trigger: Candidate) -> bool:
        return opener.time_ns <= trigger.time_ns + self._doubt(opener, trigger)

    def _ends(self, close: Candidate, opener: Candidate, trigger: Candidate) -> bool:
        if close.event_id == opener.event_id:
            return False
        return close.time_ns >= opener.time_ns and close.time_ns + self._doubt(close, trigger) < trigger.time_ns

    def _counts(self, opener: Candidate, trigger: Candidate) -> bool:
        during = self._during
        if during.for_ns and trigger.time_ns - opener.time_ns + self._doubt(opener, trigger) < during.for_ns:
            return False
        if during.distinct is None:
            return True
        here, there = trigger.fields.get(during.distinct), opener.fields.get(during.distinct)
        if here is None or there is None:
            return False
        return key_text(during.distinct, here) != key_text(during.distinct, there)

    def _doubt(self, one: Candidate, other: Candidate) -> int:
        if one.source and one.source == other.source:
            return 0
        return min(one.uncertainty_ns + other.uncertainty_ns, self._plan.cap_ns)


def key_of(path: str | None, candidate: Candidate) -> str:
    """Return what pairs an opener with its close: the text of a field, or nothing where there is no such field."""
    value = None if path is None else candidate.fields.get(path)
    return "" if path is None or value is None else key_text(path, value)


def key_text(path: str, value: Value) -> str:
    """Write the value of a field as pairs and places are compared by it."""
    members = value if isinstance(value, list) else [value]
    return ";".join(sorted(canonical_text(each, folded=is_folded(path)) for each in members if each is not None))


def fields_of_openers(trigger: Candidate, openers: list[Candidate]) -> dict[str, Value]:
    """Return what the openers tell of the trigger: its person, and fields it lacks."""
    nameless = _is_missing(trigger.fields.get(PERSON))
    people = sorted({str(each.fields[PERSON]) for each in openers if PERSON in each.fields})
    if len(openers) != 1:
        return {"convergence.person.candidates": list(people)} if nameless and people else {}
    opener = openers[0]
    added = {
        path: value
        for path, value in opener.fields.items()
        if _is_missing(trigger.fields.get(path)) and _is_of_person(path)
    }
    if nameless and PERSON in added:
        added["convergence.person.via"] = "session"
    return added


_MAX_OPENERS = 20

_OF_PERSON = ("convergence.person.", "convergence.account.", "convergence.session.", "user.", "physical.credential.")


def _age(candidate: Candidate) -> tuple[int, str]:
    return candidate.time_ns, candidate.event_id


def _is_of_person(path: str) -> bool:
    return path.startswith(_OF_PERSON)


def _is_missing(value: Value | None) -> bool:
    return value is None or (isinstance(value, str) and value.startswith("?"))
