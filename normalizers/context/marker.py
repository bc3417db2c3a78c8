"""Dataset `context.marker`: how far a polled feed is complete. One JSON object that the poller sends last.

``{"table": "approvals", "current_to": "2026-10-20T03:10:00Z"}``
"""

from __future__ import annotations

import msgspec

from connectors.record import RawRecord
from normalizers.decoding import decode_json
from normalizers.event import EcsEvent, build_event
from normalizers.source import SourceProfile
from normalizers.timestamps import parse_iso8601


class _Marker(msgspec.Struct):
    table: str
    current_to: str


def normalize_context_marker(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Read a marker."""
    marker = decode_json(record.value, _Marker)
    current_to_ns = parse_iso8601(marker.current_to, source.zone)
    fields = {
        "event.kind": "event",
        "event.category": ["configuration"],
        "event.type": ["info"],
        "event.action": "context-current",
        "event.module": "isthmus",
        "event.dataset": "context.marker",
        "convergence.domain": "context",
        "convergence.context.table": marker.table,
        "convergence.context.current_to_ns": current_to_ns,
    }
    return [build_event(record, current_to_ns, fields)]  # type: ignore[arg-type]  # plain scalars and lists
