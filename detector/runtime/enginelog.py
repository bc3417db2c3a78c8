"""Engine events on their way back into the raw log, as records like any other."""

from __future__ import annotations

import msgspec

from connectors.record import RawRecord, hashed_id
from detector.task import ENGINE_DATASET, ENGINE_SOURCE, EngineEvent, Unwatched
from normalizers.errors import NormalizerError
from normalizers.timestamps import format_utc, parse_iso8601

WATCH_BEGAN = "watch-began"
"""`event.action` of the engine's first word after each start: it took nothing in from `event.start` to `event.end`."""

_MARK = b'"event.action":"watch-began"'


def watch_began(away: Unwatched) -> EngineEvent:
    """Tell that records are taken in from now on."""
    fields = {} if away.from_ns is None else {"event.start": format_utc(away.from_ns)}
    return EngineEvent(
        id=hashed_id(ENGINE_SOURCE, away.to_ns, WATCH_BEGAN),
        source=ENGINE_SOURCE,
        kind=WATCH_BEGAN,
        time_ns=away.to_ns,
        fields={**fields, "event.end": format_utc(away.to_ns)},
    )


def told_ns(value: bytes) -> int:
    """Return when the condition was decided that an encoded engine event tells of."""
    told = msgspec.json.decode(value, type=dict[str, object])
    return parse_iso8601(str(told["@timestamp"]))


def unwatched_in(record: RawRecord) -> Unwatched | None:
    """Return what a record of the raw log says was not watched; None for all others."""
    if record.dataset != ENGINE_DATASET or _MARK not in record.value:
        return None
    try:
        told = msgspec.json.decode(record.value, type=dict[str, object])
        start, end = told.get("event.start"), told.get("event.end")
        return Unwatched(None if start is None else parse_iso8601(str(start)), parse_iso8601(str(end)))
    except (msgspec.DecodeError, NormalizerError):
        return None


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
