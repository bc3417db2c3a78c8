"""Groups in which each trigger is decided on its own, once nothing can change the answer.

`absence`, `during`, and conditions of words with a `not`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from detector.candidate import Candidate, GroupKey
from detector.correlation.composing import Composer
from detector.correlation.effects import Effects
from detector.correlation.group import Changes, Timer
from detector.correlation.groupstate import Decision, GroupState
from detector.correlation.hit import Hit
from detector.correlation.sightings import Sighting
from detector.correlation.window import Window


class TriggeredGroup:
    """Keeps triggers and partners, and decides each trigger by a timer of its own."""

    def __init__(self, composer: Composer, key: GroupKey, triggers: Collection[str], max_candidates: int) -> None:
        self.window = Window()
        self.state = GroupState()
        self.decisions: dict[str, Decision] = {}
        self._composer = composer
        self._plan = composer.plan
        self._key = key
        self._trigger_rules = frozenset(triggers)
        self._triggers: dict[str, Candidate] = {}
        self._max_candidates = max_candidates

    def apply(self, candidate: Candidate, order_ns: int, effects: Effects) -> Changes | None:
        """Apply a candidate: a trigger starts waiting, a partner may overturn a decision."""
        self._forget(self.window.evict_before(order_ns - self._plan.retention_ns), effects)
        if not self._insert(candidate):
            return None
        changes = Changes()
        evicted = self.window.evict_oldest(self._max_candidates)
        effects.counts["evicted"] += len(evicted)
        self._forget(evicted, effects)
        if candidate.rule_name in self._trigger_rules:
            changes.timers.append(Timer(self._decided_at(candidate), "decide", candidate.event_id))
        self._joined(candidate, order_ns, effects, changes)
        return changes

    def fire(self, timer: Timer, order_ns: int, effects: Effects) -> Changes | None:
        """Decide a trigger."""
        trigger = self._triggers.get(timer.event_id)
        if trigger is None or timer.event_id in self.decisions:
            return None
        changes = Changes()
        self._decide(trigger, order_ns, effects, changes)
        return changes

    def revise(self, effects: Effects) -> None:
        """Each trigger is an alert of its own, written at once."""

    def sweep(self, order_ns: int, effects: Effects) -> Changes | None:
        """Forget what is too old, and what was decided about it."""
        self._forget(self.window.evict_before(order_ns - self._plan.retention_ns), effects)
        return self._forget_decisions()

    def dissolve(self, order_ns: int, effects: Effects) -> Changes | None:  # noqa: ARG002  the protocol's
        """Forget everything."""
        self._forget(self.window.evict_oldest(0), effects)
        return self._forget_decisions()

    def take_back(self, candidate: Candidate) -> None:
        """Restore an applied candidate."""
        self._insert(candidate)

    def decision(self, event_id: str) -> Decision | None:
        """Return what was decided about a trigger."""
        return self.decisions.get(event_id)

    def take_back_decision(self, decision: Decision | Sighting) -> None:
        """Restore a decision."""
        if isinstance(decision, Decision):
            self.decisions[decision.trigger_id] = decision

    def wanted_timers(self) -> Iterator[Timer]:
        """Return a timer for each undecided trigger."""
        for event_id, trigger in self._triggers.items():
            if event_id not in self.decisions:
                yield Timer(self._decided_at(trigger), "decide", event_id)

    def is_empty(self) -> bool:
        """Whether neither a candidate nor a decision is left."""
        return not self.window.size and not self.decisions

    def _decided_at(self, trigger: Candidate) -> int:
        raise NotImplementedError

    def _hit(self, trigger: Candidate) -> Hit | None:
        """Return what holds of a trigger, None when nothing does."""
        raise NotImplementedError

    def _decide(self, trigger: Candidate, order_ns: int, effects: Effects, changes: Changes) -> None:
        hit = self._hit(trigger)
        decision = Decision(trigger.event_id, order_ns, None)
        self._note(decision if hit is None else self._report(hit, trigger, order_ns, effects), changes)

    def _decide_again(self, trigger: Candidate, order_ns: int, reason: str, effects: Effects, changes: Changes) -> None:
        """Decide a trigger anew after something came late; only a decision that turns round is told.

        Args:
            trigger: It has been decided.
            order_ns: Order value of what came late.
            reason: Why an alert is withdrawn, if it is.
            effects: Takes what follows.
            changes: Takes the decision.
        """
        decision = self.decisions[trigger.event_id]
        hit = self._hit(trigger)
        if hit is not None and not decision.held:
            hit.late = True
            self._note(self._report(hit, trigger, order_ns, effects), changes)
        elif hit is None and decision.held:
            self._note(self._withdraw(decision, order_ns, reason, effects), changes)

    def _joined(self, candidate: Candidate, order_ns: int, effects: Effects, changes: Changes) -> None:
        """React to a candidate that entered after decisions were made."""

    def _report(self, hit: Hit, trigger: Candidate, order_ns: int, effects: Effects) -> Decision:
        """Hand on a hit as a result and as an alert that is closed at once."""
        if not self._composer.claim(hit, self._key):
            return Decision(trigger.event_id, order_ns, None)
        for result in self._composer.result(hit, self._key, order_ns):
            effects.result(result)
        draft = None
        if self._composer.generates:
            hit.ahead = effects.ahead
            draft = self._composer.draft(hit, self._key, order_ns, "closed", opened_by=trigger)
            effects.draft(draft)
        return Decision(trigger.event_id, order_ns, draft, held=True)

    def _withdraw(self, decision: Decision, order_ns: int, reason: str, effects: Effects) -> Decision:
        """Take an alert back, if there was one; what an outer correlation has taken of it stays."""
        if decision.draft is not None:
            effects.draft(
                msgspec.structs.replace(decision.draft, status="withdrawn", ready_ns=order_ns, late=True, reason=reason)
            )
        return Decision(decision.trigger_id, decision.decided_ns, None)

    def _note(self, decision: Decision, changes: Changes) -> None:
        self.decisions[decision.trigger_id] = decision
        changes.decisions.append(decision.trigger_id)

    def _decided_between(self, start_ns: int, end_ns: int) -> list[Candidate]:
        """Return the decided triggers from start to end, both included, in order of time."""
        found = dict[str, Candidate]()
        for _, event_id, rule_id, _ in self.window.between(start_ns, end_ns):
            if rule_id in self._trigger_rules and event_id in self.decisions:
                found[event_id] = self._triggers[event_id]
        return list(found.values())

    def _inside(self, rule_id: str, trigger: Candidate, start_ns: int, end_ns: int) -> Iterator[Candidate]:
        """Yield the matches of a rule that lie in a span of a trigger, then those that may lie in it."""
        for entry in self.window.rule_between(rule_id, start_ns, end_ns):
            yield entry[3]
        slack_ns = min(trigger.uncertainty_ns + self.window.max_uncertainty_ns, self._plan.cap_ns)
        for first_ns, last_ns in ((start_ns - slack_ns, start_ns - 1), (end_ns + 1, end_ns + slack_ns)):
            for time_ns, _, _, candidate in self.window.rule_between(rule_id, first_ns, last_ns):
                beyond_ns = max(start_ns - time_ns, time_ns - end_ns)
                if beyond_ns <= min(trigger.uncertainty_ns + candidate.uncertainty_ns, self._plan.cap_ns):
                    yield candidate

    def _insert(self, candidate: Candidate) -> bool:
        if self.window.insert(candidate) is None:
            return False
        self._keep_trigger(candidate)
        return True

    def _keep_trigger(self, candidate: Candidate) -> None:
        if candidate.rule_name not in self._trigger_rules:
            return
        known = self._triggers.get(candidate.event_id)
        # An event that matches two trigger rules is one trigger, the same one after a restore in any order.
        if known is None or candidate.rule_name < known.rule_name:
            self._triggers[candidate.event_id] = candidate

    def _forget(self, evicted: list[Candidate], effects: Effects) -> None:
        effects.forgotten += evicted
        for candidate in evicted:
            if self._triggers.pop(candidate.event_id, None) is not None:
                # What is left of an event of which one match was evicted.
                for _, event_id, _, other in self.window.between(candidate.time_ns, candidate.time_ns):
                    if event_id == candidate.event_id:
                        self._keep_trigger(other)

    def _forget_decisions(self) -> Changes | None:
        changes = Changes(decisions=[event_id for event_id in self.decisions if event_id not in self._triggers])
        for event_id in changes.decisions:
            del self.decisions[event_id]
        return changes if changes.decisions else None
