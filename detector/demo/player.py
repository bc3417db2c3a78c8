"""Plays the day: steps the clock to the next record or a minute further, once the engine has done all before it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from detector.alert import Alert
from detector.demo.channels import Channels
from detector.demo.noise import AFTER_S, DAY_S, SECOND, ordinary_day
from detector.demo.script import Sending, load_day, midnight_ns
from detector.runtime.clock import SteppedClock
from detector.runtime.embedded.engine import EmbeddedEngine
from detector.settings import Settings

STEP_NS = 60 * SECOND
RECEIPT_S = 10.0
"""Wall seconds in which a listener must have taken what was sent to it."""


class Summary(msgspec.Struct, kw_only=True):
    """What the day came to.

    Attributes:
        records: Raw records taken.
        events: Events made of them.
        dead_letters: Dead letters.
        alerts: Latest revision of each alert by id, in the order in which they fired.
        wall_s: Seconds it took.
    """

    records: int = 0
    events: int = 0
    dead_letters: int = 0
    alerts: dict[str, Alert] = {}
    wall_s: float = 0.0


class Player:
    """Plays one day through one engine.

    Args:
        settings: Of the engine; its inbox folders exist.
        inbox: Where its file inputs look.
        on_alert: Called with revision 1 of each alert as it fires.
        on_time: Called with the plant's time as it moves.
        sendings: The day; default the bundled one.
    """

    def __init__(
        self,
        settings: Settings,
        inbox: Path,
        *,
        on_alert: Callable[[Alert], None] = lambda _: None,
        on_time: Callable[[int, int], None] = lambda _now, _end: None,
        sendings: Sequence[Sending] | None = None,
    ) -> None:
        self._start_ns = midnight_ns()
        self._clock = SteppedClock(self._start_ns - SECOND)
        self._inbox = inbox
        self._on_alert = on_alert
        self._on_time = on_time
        self._sendings = sorted(load_day() + ordinary_day(self._start_ns) if sendings is None else sendings)
        self.summary = Summary(alerts={})
        self.engine = EmbeddedEngine(settings, self._clock, on_alerts=self._alerts)

    async def play(self) -> Summary:
        """Play the whole day; the engine stays up."""
        began = time.monotonic()
        await self.engine.start()
        end_ns = self._start_ns + (DAY_S + AFTER_S) * SECOND
        async with Channels(self.engine.connectors, self._inbox) as channels:
            index = 0
            now_ns = self._start_ns
            while now_ns <= end_ns:
                self._clock.set(now_ns)
                index = await self._send_due(channels, index, now_ns)
                await self.engine.drain()
                self._on_time(now_ns, end_ns)
                following = self._sendings[index].sent_ns if index < len(self._sendings) else end_ns + 1
                now_ns = min(now_ns + STEP_NS, max(following, now_ns + 1))
        self.summary.wall_s = time.monotonic() - began
        self._count()
        return self.summary

    async def _send_due(self, channels: Channels, index: int, now_ns: int) -> int:
        expected = self.engine.parts.rawlog.end()
        before = index
        while index < len(self._sendings) and self._sendings[index].sent_ns <= now_ns:
            sending = self._sendings[index]
            expected += await channels.send(sending.channel, sending.body)
            index += 1
        if index > before:
            await self._received(expected)
        return index

    async def _received(self, expected: int) -> None:
        """Wait until the raw log holds what was sent."""
        deadline = time.monotonic() + RECEIPT_S
        while self.engine.parts.rawlog.end() < expected:
            if time.monotonic() > deadline:
                missing = expected - self.engine.parts.rawlog.end()
                raise TimeoutError(f"{missing} records sent were not received within {RECEIPT_S:g} s")
            await asyncio.sleep(0.001)

    def _alerts(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            if alert.id not in self.summary.alerts:
                self._on_alert(alert)
            self.summary.alerts[alert.id] = alert

    def _count(self) -> None:
        metrics = self.engine.metrics
        self.summary.records = int(metrics.records._value.get())  # noqa: SLF001  the library has no other reading
        self.summary.events = int(metrics.tasks.events._value.get())  # noqa: SLF001  the library has no other reading
        self.summary.dead_letters = self.engine.parts.store.count_dead_letters()
