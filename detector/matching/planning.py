"""When to plan: at the first events, again for each log source that sends many, and again when one drifts.

The first plan is for all rules, rough and quick; it serves every log source that has none of its own yet. All others
are made a step a batch while an older one serves, so that planning never stops the stream for long, one at a time and
out of a budget that events earn, so that no stream can make it plan without end.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import msgspec

from detector.matching.columns import Event
from detector.matching.plan import Findable, Plan
from detector.matching.sample import MAX_EVENTS, Excerpt, excerpt
from detector.matching.scanner import ScannerName
from detector.matching.terms import Terms
from detector.rules.model import LogSource

ROUGH_EVENTS = 16
"""Events that the first plan is made on; nothing serves yet, so it must be there soon."""

OWN_FROM = 64
"""Events after which a log source gets a plan of its own."""

PATIENCE = 16_384
"""Events of the whole stream after which a sample is large enough, however few are in it."""

WINDOW = 1_024
"""Events over which tries are counted."""

MAX_BYTES = 64 << 20
"""Memory of all plans but the first, about; the one used least recently goes first."""

_MAX_WAITING = 1_024
"""Log sources that are counted until they get a plan."""

EARNED = 0.05
MAX_EARNED = 30_000.0
"""Rules that may be planned for each event seen, and at once. A rule takes the time of about two events."""

_DRIFT = 2.0
_LEAST = 1.0
"""A plan is replaced when its tries an event grew by this factor, and by so many at least."""

FIRST_REST = 4 * WINDOW
_LONGEST_REST = 1 << 20
"""Events for which a new plan is left alone: twice as long each time."""


class Planning:
    """The plan of a log source, and whether it still fits.

    Attributes:
        source: The log source; None for the plan of all rules that serves until there is another.
        plan: In force.
        is_settled: No other plan is wanted.
    """

    def __init__(self, source: LogSource | None, plan: Plan) -> None:
        self.source = source
        self._resting = FIRST_REST
        self.renew(plan)

    def renew(self, plan: Plan) -> None:
        """Put a plan into force."""
        self.plan = plan
        self.is_settled = self.source is not None
        self._baseline: float | None = None
        self._seen = self._tries = 0
        self._rest = self._resting
        self._resting = min(2 * self._resting, _LONGEST_REST)

    def count(self, events: int, tries: int) -> None:
        """Count rules tried, and look for drift."""
        self._seen += events
        self._tries += tries
        if self._seen >= WINDOW:
            self._judge()

    def _judge(self) -> None:
        tries_an_event = self._tries / self._seen
        self._rest -= self._seen
        self._seen = self._tries = 0
        if self._baseline is None:
            self._baseline = tries_an_event
        elif self._rest <= 0 and tries_an_event > self._baseline * _DRIFT + _LEAST:
            self.is_settled = False


class _Job(msgspec.Struct):
    """A plan that is being made: first its sample is collected, then its steps are done."""

    source: LogSource
    rules: list[Findable]
    excerpts: list[Excerpt]
    patience: int = PATIENCE
    plan: Plan | None = None
    steps: Iterator[None] = iter(())


class Planner:
    """Keeps the plans of some rules.

    Args:
        rules: All rules.
        terms: Those of the rules.
        scanner: Which scanner to use.
        applies: Whether a rule, by number, can match events of a log source.

    Attributes:
        plans: How many plans were made.
        is_busy: A plan is being made or wanted: `serve` must be called.
    """

    def __init__(
        self,
        rules: Sequence[Findable],
        terms: Terms,
        scanner: ScannerName,
        applies: Callable[[int, LogSource], bool],
    ) -> None:
        self._rules = rules
        self._terms = terms
        self._scanner: ScannerName = scanner
        self._applies = applies
        self._first = Plan(rules, "ahocorasick", terms)
        self._first.prepare()
        self._rough: Planning | None = None
        self._own: OrderedDict[LogSource, Planning] = OrderedDict()
        self._waiting: OrderedDict[LogSource, int] = OrderedDict()
        self._wanted: OrderedDict[LogSource, None] = OrderedDict()
        self._job: _Job | None = None
        self._most = self._earned = max(MAX_EARNED, 4.0 * len(rules))
        self.plans = 0
        self.is_busy = False

    def planning(self, source: LogSource, events: Sequence[Event]) -> Planning:
        """Return the plan that serves a log source.

        Args:
            source: The log source, as far as rules tell log sources apart.
            events: Some of its events, for the very first plan.
        """
        planning = self._own.get(source)
        if planning is not None:
            self._own.move_to_end(source)
            return planning
        if self._rough is None:
            for _ in self._first.steps([excerpt(event) for event in events[:ROUGH_EVENTS]]):
                pass
            self.plans += 1
            self._rough = Planning(None, self._first)
        return self._rough

    def serve(self, source: LogSource, events: Sequence[Event]) -> bool:
        """Take note of events and do a step; return whether the plan of some log source is another now."""
        self._earned = min(self._earned + EARNED * len(events), self._most)
        self._note(source, len(events))
        job = self._job
        if job is None:
            self._start()
        elif job.plan is None:
            self._collect(job, source, events)
        else:
            for _ in job.steps:
                return False
            self._install(job.source, job.plan)
            self._job = None
            self.is_busy = bool(self._wanted)
            return True
        return False

    def _note(self, source: LogSource, count: int) -> None:
        """Find out whether a log source wants a plan."""
        own = self._own.get(source)
        if source in self._wanted or (self._job is not None and self._job.source == source):
            return
        if own is None:
            seen = self._waiting[source] = self._waiting.pop(source, 0) + count
            if len(self._waiting) > _MAX_WAITING:
                self._waiting.popitem(last=False)
            if seen < OWN_FROM:
                return
            del self._waiting[source]
        elif own.is_settled:
            return
        self._wanted[source] = None
        self.is_busy = True
        if len(self._wanted) > _MAX_WAITING:
            self._wanted.popitem(last=False)

    def _start(self) -> None:
        """Begin with the plan that was wanted first, when the dearest one could be paid."""
        if self._wanted and self._earned >= len(self._rules):
            source, _ = self._wanted.popitem(last=False)
            rules = [rule for rule in self._rules if self._applies(rule.number, source)]
            self._earned -= len(rules)
            self._job = _Job(source, rules, [])

    def _collect(self, job: _Job, source: LogSource, events: Sequence[Event]) -> None:
        job.patience -= len(events)
        if source == job.source:
            job.excerpts.extend(map(excerpt, events[: MAX_EVENTS - len(job.excerpts)]))
        if job.patience <= 0 and len(job.excerpts) < ROUGH_EVENTS:  # it fell silent
            self._job = None
            self.is_busy = bool(self._wanted)
        elif len(job.excerpts) >= MAX_EVENTS or job.patience <= 0:
            job.plan = Plan(job.rules, self._scanner, self._terms)
            job.steps = job.plan.steps(job.excerpts)
            job.excerpts = []

    def _install(self, source: LogSource, plan: Plan) -> None:
        self.plans += 1
        own = self._own.get(source)
        if own is None:
            self._own[source] = Planning(source, plan)
        else:
            own.renew(plan)
        while len(self._own) > 1 and sum(planning.plan.bytes for planning in self._own.values()) > MAX_BYTES:
            self._own.popitem(last=False)
