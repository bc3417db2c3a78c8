"""Telling of filters that want a look: those that have expired let their rules fire again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog

from detector.errors import RuleFault
from detector.rules.filters import expired_filters, newly_expired
from detector.rules.model import RuleSet
from detector.runtime.clock import Clock

LOOK_S = 60.0

_log = structlog.get_logger(__name__)


class FilterWatch:
    """Logs each filter once: those that want a look when rules are loaded, and later those that expire.

    Args:
        clock: Wall time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looked_ns = clock.now_ns()

    def look(self, active: RuleSet) -> None:
        """Say which filters have expired since the last look."""
        now_ns = self._clock.now_ns()
        _tell(newly_expired(active, self._looked_ns, now_ns))
        self._looked_ns = now_ns

    async def run(self, active: Callable[[], RuleSet]) -> None:
        """Look each minute, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look(active())


def tell_filters(ruleset: RuleSet, now_ns: int) -> None:
    """Say which filters of rules that were just loaded want a look, and why."""
    _tell((*ruleset.notes, *expired_filters(ruleset, now_ns)))


def _tell(notes: Iterable[RuleFault]) -> None:
    for note in notes:
        _log.warning("filter_wants_a_look", path=note.path, line=note.line, filter=note.rule, what=note.what)
