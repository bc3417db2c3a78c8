"""Groups in which each trigger is decided on its own, once nothing can change the answer: `absence`, `during`."""

from __future__ import annotations

from collections.abc import Iterator

from detector.alert import AlertDraft
from detector.candidate import Candidate, GroupKey
from detector.correlation.composing import Composer
from detector.correlation.effects import Effects
from detector.correlation.group import Changes, Timer
from detector.correlation.groupstate import Decision, GroupState
from detector.correlation.hit import Hit
from detector.correlation.window import Window


class TriggeredGroup:
    """Keeps triggers and partners, and decides each trigger by a timer of its own."""

    def __init__(self, composer: Composer, key: GroupKey, trigger_rule: str, max_candidates: int) -> None:
        self.window = Window()
        self.state = GroupState()
        self.decisions: dict[str, Decision] = {}
        self._composer = composer
        self._plan = composer.plan
        self._key = key
        self._trigger_rule = trigger_rule
        self._max_candidates = max_candidates
        self._sweep: Timer | None = None

    def apply(self, candidate: Candidate, order_ns: int, effects: Effects) -> Changes:
        """Apply a candidate: a trigger starts waiting, a partner may overturn a decision."""
        changes = Changes()
        changes.forgotten.extend(self.window.evict_before(order_ns - self._plan.retention_ns))
        if not self.window.insert(candidate):
            return changes
        evicted = self.window.evict_oldest(self._max_candidates)
        effects.counts["evicted"] += len(evicted)
        changes.forgotten.extend(evicted)
        if candidate.rule_name == self._trigger_rule:
            changes.timers.append(Timer(self._decided_at(candidate), "decide", candidate.event_id))
        self._joined(candidate, order_ns, effects, changes)
        self._watch_sweep(changes)
        return changes

    def fire(self, timer: Timer, order_ns: int, effects: Effects) -> Changes:
        """Decide a trigger, or sweep up."""
        changes = Changes()
        if timer.name == "decide" and timer.event_id not in self.decisions:
            trigger = self._trigger(timer.event_id)
            if trigger is not None:
                self._decide(trigger, order_ns, effects, changes)
        elif timer.name == "sweep" and timer == self._sweep:
            self._sweep = None
            changes.forgotten.extend(self.window.evict_before(timer.at_ns - self._plan.retention_ns))
            self._forget_decisions(changes)
            self._watch_sweep(changes)
        return changes

    def take_back(self, candidate: Candidate) -> None:
        """Restore an applied candidate."""
        self.window.insert(candidate)

    def wanted_timers(self) -> Iterator[Timer]:
        """Return a timer for each undecided trigger."""
        for _, event_id, _, trigger in self.window.of_rule.get(self._trigger_rule, []):
            if event_id not in self.decisions:
                yield Timer(self._decided_at(trigger), "decide", event_id)
        changes = Changes()
        self._watch_sweep(changes)
        yield from changes.timers

    def is_empty(self) -> bool:
        """Whether neither a candidate nor a decision is left."""
        return not self.window.entries and not self.decisions

    def _decided_at(self, trigger: Candidate) -> int:
        raise NotImplementedError

    def _decide(self, trigger: Candidate, order_ns: int, effects: Effects, changes: Changes) -> None:
        raise NotImplementedError

    def _joined(self, candidate: Candidate, order_ns: int, effects: Effects, changes: Changes) -> None:
        """React to a candidate that entered after decisions were made."""

    def _report(self, hit: Hit, order_ns: int, effects: Effects) -> AlertDraft | None:
        """Hand on a hit as a result and as an alert that is closed at once; returns the draft, if any."""
        if not self._composer.claim(hit, self._key):
            return None
        for result in self._composer.result(hit, self._key, order_ns):
            effects.result(result)
        if not self._plan.rule.meta.generate:
            return None
        draft = self._composer.draft(hit, self._key, order_ns, "closed")
        effects.draft(draft)
        return draft

    def _note(self, trigger: Candidate, order_ns: int, draft: AlertDraft | None, changes: Changes) -> None:
        self.decisions[trigger.event_id] = Decision(trigger.event_id, order_ns, draft)
        changes.decisions.append(trigger.event_id)

    def _trigger(self, event_id: str) -> Candidate | None:
        for _, found, _, trigger in self.window.of_rule.get(self._trigger_rule, []):
            if found == event_id:
                return trigger
        return None

    def _forget_decisions(self, changes: Changes) -> None:
        kept = {entry[1] for entry in self.window.of_rule.get(self._trigger_rule, [])}
        for event_id in [event_id for event_id in self.decisions if event_id not in kept]:
            del self.decisions[event_id]
            changes.decisions.append(event_id)

    def _watch_sweep(self, changes: Changes) -> None:
        if self._sweep is None and (self.window.entries or self.decisions):
            newest_ns = self.window.entries[-1][0] if self.window.entries else 0
            self._sweep = Timer(newest_ns + self._plan.retention_ns + 1, "sweep")
            changes.timers.append(self._sweep)
