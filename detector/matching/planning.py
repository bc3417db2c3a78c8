"""When to plan: at the first events of a log source, again once enough were seen, and again when the stream drifts.

A new plan is made a step a batch while the old one serves, so that planning never stops the stream for long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detector.matching.columns import Event
from detector.matching.plan import Plan
from detector.matching.sample import MAX_EVENTS, Sample
from detector.matching.scanner import ScannerName
from detector.matching.terms import Tree

_FIRST_EVENTS = 64
"""Events that the first plan is made on; more would make it late."""

WINDOW = 1_024
"""Events over which tries are counted."""

_DRIFT = 2.0
"""A plan is replaced when its tries an event grew by this factor, and by one at least."""

_FIRST_REST = 4 * WINDOW
_LONGEST_REST = 1 << 20
"""Events for which a new plan is left alone: twice as long each time."""


class Planning:
    """The plan of one log source and what is needed to better it.

    Args:
        rules: Numbers and trees of the rules that can apply.
        reads: Fields that some rule reads.
        scanner: Which scanner to use.
        events: The first events.

    Attributes:
        plan: In force.
        plans: How many plans were made.
        is_settled: No sample is being collected and no plan being made: `serve` need not be called.
    """

    def __init__(
        self,
        rules: Sequence[tuple[int, Tree]],
        reads: frozenset[str],
        scanner: ScannerName,
        events: Sequence[Event],
    ) -> None:
        self._rules = rules
        self._reads = reads
        self._scanner: ScannerName = scanner
        self._events = list[Event]()
        self._next: tuple[Plan, Iterator[None]] | None = None
        self._baseline: float | None = None
        self._seen = 0
        self._tries = 0
        self._rest = self._resting = _FIRST_REST
        self.is_settled = False
        self.plans = 1
        # Nothing serves yet, so this one must be there soon: its scanner is the one that is made fastest.
        self.plan, steps = self._begin(events[:_FIRST_EVENTS], "ahocorasick")
        for _ in steps:
            pass

    @property
    def weight(self) -> int:
        """How many rules it holds."""
        return len(self._rules)

    def serve(self, events: Sequence[Event]) -> None:
        """Take events as a sample, or go on with a plan that is being made."""
        if self._next is None:
            self._events.extend(events[: MAX_EVENTS - len(self._events)])
            if len(self._events) >= MAX_EVENTS:
                self._next = self._begin(self._events, self._scanner)
                self._events = []
            return
        plan, steps = self._next
        for _ in steps:
            return
        self.plan, self._next = plan, None
        self.plans += 1
        self.is_settled = True
        self._baseline = None
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
        elif self.is_settled and self._rest <= 0 and tries_an_event > self._baseline * _DRIFT + 1:
            self.is_settled = False

    def _begin(self, events: Sequence[Event], scanner: ScannerName) -> tuple[Plan, Iterator[None]]:
        plan = Plan(Sample(events), scanner, self._reads)
        return plan, plan.steps(self._rules)
