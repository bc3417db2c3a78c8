"""Events that are ECS already, nested or flat: other shippers' and the engine's own.

``{"@timestamp":"2026-10-20T03:10:00Z","event":{"action":"logged-in","category":["authentication"]},"user":{"name":"x"}}``
"""

from __future__ import annotations

from connectors.record import RawRecord
from normalizers.decoding import decode_object, flatten
from normalizers.errors import BadTimestampError
from normalizers.event import EcsEvent, build_event
from normalizers.source import SourceProfile
from normalizers.timestamps import parse_iso8601

OURS = (
    "convergence.clock.",
    "convergence.person",
    "convergence.asset",
    "convergence.approval.",
    "convergence.conduit.",
)
"""Fields that only the engine may write: a sender must not forge a verdict."""


def normalize_ecs_event(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Flatten one event and keep its fields, but for verdicts."""
    flat = flatten(decode_object(record.value))
    stamp = flat.pop("@timestamp", None)
    if not isinstance(stamp, str):
        raise BadTimestampError(stamp, "an ISO 8601 time in @timestamp")
    fields = {path: value for path, value in flat.items() if not path.startswith(OURS)}
    fields.setdefault("event.kind", "event")
    fields["event.dataset"] = record.dataset
    for path in ("event.category", "event.type"):
        if isinstance(fields.get(path), str):
            fields[path] = [str(fields[path])]
    return [build_event(record, parse_iso8601(stamp, source.zone), fields)]
