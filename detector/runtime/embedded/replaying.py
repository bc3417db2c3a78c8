"""Recorded raw records through the whole pipeline at full speed, with time from the records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from connectors.record import Document, RawRecord, record_id
from detector.alert import Alert
from detector.runtime.clock import SteppedClock
from detector.runtime.embedded.assembly import Assembly, assemble
from detector.runtime.embedded.enginelog import engine_documents, engine_event_row
from detector.runtime.enginelog import told_ns, unwatched_in, watch_began
from detector.settings import Settings
from detector.task import Record, Unwatched
from normalizers.clock.hindsight import Hindsight

BATCH = 2_000
AFTER_NS = 26 * 3_600 * 10**9
"""How far time goes on after the last record: past the end of the longest episode."""

_STEPS = 4
"""Passes after the last record: results of one level are input of the next."""

TOLD_AFTER_NS = 10**9
"""What the engine notices is in the log a tick later, as it is while the engine runs."""


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
    feeds_back: bool = False,
    on_alert: Callable[[Alert], None] = lambda _: None,
    on_batch: Callable[[Replayed], None] = lambda _: None,
) -> Replayed:
    """Run records through an engine of its own, in one thread.

    Args:
        settings: `data_dir` should be empty: the databases are the replay's.
        records: In order of `ready_ns`.
        batch: Records appended and applied at once.
        hindsight: What is known of clocks afterwards, for events to be dated by.
        feeds_back: What the engine notices comes back in as records, for records that no engine has taken in yet: a raw
            log holds what was noticed then. The end of the records is not taken for silence.
        on_alert: Called with the first revision of each alert.
        on_batch: Called after each batch.
    """
    clock = SteppedClock(0)
    parts = assemble(settings, clock, hindsight)
    done = Replayed(alerts={})
    stream, told = _watched(_counted(records, done)), set[str]()
    try:
        while taken := list(islice(stream, batch)):
            clock.set(taken[-1].ready_ns)
            parts.rawlog.append_recorded(taken)
            parts.driver.holds_clocks = feeds_back
            _run_to_end(parts, clock, done, on_alert, batch)
            while feeds_back and _feed_back(parts, told):
                _run_to_end(parts, clock, done, on_alert, batch)
            if feeds_back:
                parts.driver.holds_clocks = False
                _run_to_end(parts, clock, done, on_alert, batch)
            on_batch(done)
        for _ in range(_STEPS):
            clock.set(clock.now_ns() + AFTER_NS)
            _run_to_end(parts, clock, done, on_alert, batch)
    finally:
        parts.close()
    return done


def _counted(records: Iterable[Record], done: Replayed) -> Iterator[Record]:
    for record in records:
        done.records += 1
        yield record


def _watched(records: Iterator[Record]) -> Iterator[Record]:
    """Begin with the engine's own first word where the records do not."""
    first = next(records, None)
    if first is None:
        return
    if unwatched_in(first.record) is None:
        begin = engine_event_row(watch_began(Unwatched(None, first.ready_ns)))
        yield _recorded(engine_documents([begin])[0], first.ready_ns)
    yield first
    yield from records


def _feed_back(parts: Assembly, told: set[str]) -> bool:
    """Put what the engine noticed into the raw log, each once, at the time that follows from what it says.

    Args:
        parts: The engine.
        told: Ids of what was put there before.

    Returns:
        Whether there was any.
    """
    rows = parts.store.outbox()
    documents = engine_documents([row for row in rows if row.id not in told])
    told.update(row.id for row in rows)
    records = sorted((_recorded(each, told_ns(each.value) + TOLD_AFTER_NS) for each in documents), key=_place)
    parts.rawlog.append_recorded(records)
    parts.store.clear_outbox([row.id for row in rows])
    return bool(records)


def _recorded(document: Document, ready_ns: int) -> Record:
    raw = RawRecord(record_id(document, ready_ns), document.source, document.dataset, ready_ns, document.value)
    return Record(raw, ready_ns)


def _place(record: Record) -> tuple[int, str]:
    return record.ready_ns, record.record.id


def _run_to_end(
    parts: Assembly, clock: SteppedClock, done: Replayed, on_alert: Callable[[Alert], None], batch: int
) -> None:
    while True:
        progress = parts.driver.step(clock.now_ns(), limit=batch)
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
