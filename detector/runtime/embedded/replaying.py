"""Recorded raw records through the whole pipeline at full speed, with time from the records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import msgspec

from detector.alert import Alert
from detector.runtime.clock import SteppedClock
from detector.runtime.embedded.assembly import Assembly, assemble
from detector.settings import Settings
from detector.task import Record
from normalizers.clock.hindsight import Hindsight

BATCH = 2_000
AFTER_NS = 26 * 3_600 * 10**9
"""How far time goes on after the last record: past the end of the longest episode."""

_STEPS = 4
"""Passes after the last record: results of one level are input of the next, and engine events come back in."""


class Replayed(msgspec.Struct):
    """What a replay did."""

    records: int = 0
    events: int = 0
    dead_letters: int = 0
    alerts: dict[str, Alert] = {}


def replay(  # noqa: PLR0913  what a replay may be asked for
    settings: Settings,
    records: Iterable[Record],
    *,
    batch: int = BATCH,
    hindsight: Hindsight | None = None,
    on_alert: Callable[[Alert], None] = lambda _: None,
    on_batch: Callable[[Replayed], None] = lambda _: None,
) -> Replayed:
    """Run records through an engine of its own, in one thread.

    Args:
        settings: `data_dir` should be empty: the databases are the replay's.
        records: In order of `ready_ns`.
        batch: Records appended and applied at once.
        hindsight: What is known of clocks afterwards, for events to be dated by.
        on_alert: Called with the first revision of each alert.
        on_batch: Called after each batch.
    """
    clock = SteppedClock(0)
    parts = assemble(settings, clock, hindsight)
    done = Replayed(alerts={})
    stream = iter(records)
    try:
        while taken := list(islice(stream, batch)):
            clock.set(taken[-1].ready_ns)
            parts.rawlog.append_recorded(taken)
            _run_to_end(parts, clock, done, on_alert, batch)
            on_batch(done)
        for _ in range(_STEPS):
            clock.set(clock.now_ns() + AFTER_NS)
            _run_to_end(parts, clock, done, on_alert, batch)
    finally:
        parts.close()
    return done


def _run_to_end(
    parts: Assembly, clock: SteppedClock, done: Replayed, on_alert: Callable[[Alert], None], batch: int
) -> None:
    while True:
        progress = parts.driver.step(clock.now_ns(), limit=batch)
        done.records += progress.records
        done.events += progress.events
        done.dead_letters += progress.dead_letters
        _note(progress.alerts, done, on_alert)
        if progress.at_end:
            break
    parts.driver.checkpoint()


def _note(alerts: Sequence[Alert], done: Replayed, on_alert: Callable[[Alert], None]) -> None:
    for alert in alerts:
        if alert.id not in done.alerts:
            on_alert(alert)
        done.alerts[alert.id] = alert
