"""Engine events on their way back into the raw log, as records like any other."""

from __future__ import annotations

import msgspec

from detector.task import EngineEvent
from normalizers.timestamps import format_utc


def engine_event_value(event: EngineEvent) -> bytes:
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
    return msgspec.json.encode(document)
