"""The rule bundles of a worker: which are here, and from when on which one decides.

A bundle takes over at a time that the context log tells, for all workers alike: what is appended to the raw log before
it is decided by the rules before. See docs/explanation/delivery.md.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec

from detector.alert import AlertDraft
from detector.correlation.correlator import Correlator
from detector.correlation.ordering import END_OF_INPUT, NOT_YET
from detector.rules.model import RuleSet
from detector.runtime.kafka.stage import Stage, StageTask
from detector.runtime.stages.group import GroupTask
from detector.task import Bundle, LogRecord, PartitionClock, Record

MAX_KEPT = 3
"""Bundles that a task far behind may still have to pass through, as large as rules are; of more, the oldest go."""


class Loaded(msgspec.Struct, frozen=True):
    """A bundle that is here.

    Attributes:
        ruleset: Its rules.
        stages: How its tasks are made, by stage.
    """

    ruleset: RuleSet
    stages: Mapping[str, Stage]

    def knows(self, rule_id: str) -> bool:
        """Tell whether a rule or correlation is in it."""
        return rule_id in self.ruleset.rules or rule_id in self.ruleset.correlations


class Bundles:
    """Knows what was loaded here and what was announced to all.

    Args:
        first: What the worker starts with.
        started_ns: Wall time; what took over before needs no waiting for.
        max_wait_s: How long records wait for a bundle that was announced and is not here.

    Attributes:
        loaded: Hash of the bundle that was loaded last: the one on disk.
        announced: Hash of the bundle that was announced last; None before the first.
    """

    def __init__(self, first: Loaded, started_ns: int, max_wait_s: float) -> None:
        self.loaded = first.ruleset.bundle_hash
        self.announced: str | None = None
        self._here = {self.loaded: first}
        self._changes: list[Bundle] = []
        self._is_news = True
        self._started_ns, self._max_wait_s = started_ns, max_wait_s
        self._waits_s: dict[str, float] = {}

    async def load(self, loaded: Loaded) -> None:
        """Have a bundle ready; it takes over when it is announced."""
        self.loaded, self._is_news = loaded.ruleset.bundle_hash, True
        self._here.pop(self.loaded, None)
        self._here[self.loaded] = loaded
        while len(self._here) > MAX_KEPT:
            del self._here[next(iter(self._here))]

    def hear(self, bundle: Bundle) -> None:
        """Take an announcement; one that says what was said last is none."""
        if bundle.bundle_hash == self.announced:
            return
        self.announced = bundle.bundle_hash
        if bundle.known_at_ns > self._started_ns:
            # Others have rules that never were here: those here are older, whoever leads from now on.
            self._is_news = self._is_news and bundle.bundle_hash in self._here
            self._changes = [*self._changes, bundle][-MAX_KEPT:]

    def unannounced(self) -> str | None:
        """Return the hash of what is to be announced; None when it was, or when others have newer rules."""
        return self.loaded if self._is_news and self.loaded != self.announced else None

    def stage(self, name: str, bundle_hash: str) -> Stage:
        """Return a stage under the bundle that a task was left with, else under the one on disk."""
        return (self._here.get(bundle_hash) or self._here[self.loaded]).stages[name]

    def next(self, bundle_hash: str) -> Bundle | None:
        """Return what takes over after a bundle; None while nothing is announced."""
        following = self._after(bundle_hash)
        return following[0] if following else None

    def successor(self, stage: Stage, reached_ns: int) -> Stage | None:
        """Return the stage under the last bundle that is to have taken over by a time, as far as it is here."""
        due = [each for each in self._after(stage.bundle) if each.known_at_ns <= reached_ns]
        here = [self._here[each.bundle_hash] for each in due if each.bundle_hash in self._here]
        return here[-1].stages[stage.name] if here else None

    def gives_up(self, bundle: Bundle) -> bool:
        """Tell whether a bundle that is not here was waited for long enough; the wait begins when it is first asked."""
        return self._waited(bundle.bundle_hash)

    def admit(self, entry: LogRecord) -> LogRecord | None:
        """Return what may be written down; an alert of rules that only others have yet waits for their words."""
        if not isinstance(entry, AlertDraft) or any(each.knows(entry.rule_id) for each in self._here.values()):
            return entry
        return entry if self._waited(entry.bundle) else None

    def _waited(self, bundle_hash: str) -> bool:
        now_s = time.monotonic()
        return now_s - self._waits_s.setdefault(bundle_hash, now_s) > self._max_wait_s

    def _after(self, bundle_hash: str) -> list[Bundle]:
        places = [number for number, each in enumerate(self._changes) if each.bundle_hash == bundle_hash]
        return self._changes[places[-1] + 1 :] if places else self._changes


def reached_ns(task: StageTask, entry: LogRecord | None, ready_ns: int) -> int:
    """Return how far a task has come in the raw log once it has taken an entry.

    Args:
        task: Of any stage; one that only writes down what others decided may always go on to the next rules.
        entry: What it would take; None: nothing more.
        ready_ns: Append time of the entry, in the stages that read the raw log.
    """
    if isinstance(task, GroupTask):
        return END_OF_INPUT
    if isinstance(task, Correlator):
        return task.reached_ns(entry) if entry is None or isinstance(entry, PartitionClock) else NOT_YET
    return ready_ns if entry is None or isinstance(entry, Record) else NOT_YET
