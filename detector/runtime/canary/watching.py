"""Watching canaries: which alert of a round came out when, and which one should have."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from prometheus_client.core import GaugeMetricFamily

from detector.runtime.canary.records import ALERTS, DATASETS
from detector.runtime.clock import Clock
from detector.settings import Settings
from normalizers.errors import NormalizerError
from normalizers.source import UTC
from normalizers.timestamps import format_utc, parse_iso8601

_LOOK_S = 1.0
_NS = 10**9
_log = structlog.get_logger(__name__)


class CanaryWatch:
    """Knows of each canary when the newest one that came out was sent.

    Args:
        settings: Say how often they are sent, and how long they may take.
        clock: Wall time.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._every_ns = int(settings.canary.every)
        lateness_ns = max(settings.lateness_ns(dataset) for dataset in DATASETS)
        self._due_ns = self._every_ns + int(settings.canary.within) + lateness_ns
        # What was sent before we looked counts from then on.
        self._since_ns = clock.now_ns()
        self._sent_ns: dict[str, int] = {}
        self._told: frozenset[str] = frozenset()

    def saw(self, document: Mapping[str, Any]) -> None:
        """Take a test alert that came out; its evidence ends when the canary was sent."""
        name = str(document["event"]["code"]).removeprefix("CANARY-")
        if name not in ALERTS:
            return
        try:
            sent_ns = parse_iso8601(str(document["event"]["end"]), UTC)
        except NormalizerError:
            return
        # None was sent later than now, whatever somebody writes: it would count for long.
        self._sent_ns[name] = max(min(sent_ns, self._clock.now_ns()), self._sent_ns.get(name, 0))

    def overdue(self) -> dict[str, int]:
        """Return the canaries that have not come out in time, and for how many seconds none has."""
        if not self._every_ns:
            return {}
        ages = {name: self._clock.now_ns() - max(self._since_ns, self._sent_ns.get(name, 0)) for name in ALERTS}
        return {name: age_ns // _NS for name, age_ns in ages.items() if age_ns > self._due_ns}

    def problems(self) -> list[str]:
        """Return what is wrong, for a reader."""
        return [_sentence(name, seconds) for name, seconds in self.overdue().items()]

    def report(self) -> dict[str, object]:
        """Return what the heartbeat says: by canary, when the newest that came out was sent, and what is overdue."""
        return {
            "sent": {name: format_utc(self._sent_ns[name]) for name in ALERTS if name in self._sent_ns},
            "overdue": self.overdue(),
        }

    def families(self) -> Iterator[GaugeMetricFamily]:
        """Yield what the metrics page says."""
        sent = GaugeMetricFamily(
            "isthmus_canary_sent_seconds", "When the newest canary that came out was sent.", labels=["canary"]
        )
        overdue = GaugeMetricFamily(
            "isthmus_canary_overdue", "1 while a canary has not come out in time.", labels=["canary"]
        )
        late = self.overdue()
        for name in ALERTS:
            if name in self._sent_ns:
                sent.add_metric([name], self._sent_ns[name] / _NS)
            overdue.add_metric([name], name in late)
        yield from (sent, overdue)

    async def run(self) -> None:
        """Log when a canary becomes overdue, and when canaries come out again; until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            self.tell()

    def tell(self) -> None:
        """Log what changed since the last call."""
        overdue = self.overdue()
        for name, seconds in overdue.items():
            if name not in self._told:
                _log.error("canary_overdue", canary=name, seconds=seconds, what=_sentence(name, seconds))
        for name in sorted(self._told - overdue.keys()):
            _log.info("canary_came_out_again", canary=name)
        self._told = frozenset(overdue)


def _sentence(name: str, seconds: int) -> str:
    which = f"canary of domain {name}" if name != ALERTS[-1] else "canary that all domains must meet for"
    return f"{which} has not come out for {seconds} s"
