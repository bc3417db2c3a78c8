"""Events as others read them."""

from __future__ import annotations

from detector.alerting.times import utc
from normalizers.event import EcsEvent, Value


def event_fields(event: EcsEvent) -> dict[str, Value]:
    """Return an event as others read it: flat, with its corrected time, its receipt and its source."""
    return {
        "@timestamp": utc(event.time_ns),
        "event.created": utc(event.received_ns),
        "event.id": event.id,
        "convergence.feed.id": event.source,
        **event.fields,
    }
