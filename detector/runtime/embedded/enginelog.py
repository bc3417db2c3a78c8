"""Engine events on their way back into the raw log."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from connectors.record import Document
from detector.runtime.embedded.store import EngineEventRow
from detector.task import ENGINE_DATASET, ENGINE_SOURCE, EngineEvent
from normalizers.timestamps import format_utc


def engine_event_row(event: EngineEvent) -> EngineEventRow:
    """Encode an engine event as the ECS document that enters the raw log."""
    document = {
        **event.fields,
        "@timestamp": format_utc(event.time_ns),
        "event.action": event.kind,
        "event.kind": "event",
        "event.category": ["host"],
        "event.type": ["info"],
        "event.module": "isthmus",
        "convergence.domain": "engine",
        "convergence.feed.id": event.source,
    }
    return EngineEventRow(event.id, event.source, msgspec.json.encode(document))


def engine_documents(rows: Sequence[EngineEventRow]) -> list[Document]:
    """Make documents whose key lets the raw log drop one that it already holds."""
    return [Document(source=ENGINE_SOURCE, dataset=ENGINE_DATASET, value=row.value, key=row.id) for row in rows]
