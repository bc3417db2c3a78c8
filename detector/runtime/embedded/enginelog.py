"""Engine events on their way back into the raw log."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.record import Document
from detector.runtime.embedded.rawlog import RawLog
from detector.runtime.embedded.store import WATCHED, EngineEventRow, EngineStore
from detector.runtime.enginelog import engine_event_value, watch_began
from detector.task import ENGINE_DATASET, ENGINE_SOURCE, EngineEvent, Unwatched


def engine_event_row(event: EngineEvent) -> EngineEventRow:
    """Encode an engine event for the store."""
    return EngineEventRow(event.id, event.source, engine_event_value(event))


def engine_documents(rows: Sequence[EngineEventRow]) -> list[Document]:
    """Make documents whose key lets the raw log drop one that it already holds."""
    return [Document(source=ENGINE_SOURCE, dataset=ENGINE_DATASET, value=row.value, key=row.id) for row in rows]


def begin_watch(rawlog: RawLog, store: EngineStore) -> None:
    """Write into the raw log that records are taken in from now on, and since when they were not."""
    last_ns = max(store.position(WATCHED), rawlog.newest_ns())
    away = Unwatched(last_ns or None, rawlog.frontier_ns())
    rawlog.append(engine_documents([engine_event_row(watch_began(away))]))
