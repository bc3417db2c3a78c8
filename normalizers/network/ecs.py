"""Events that are ECS already, nested or flat: other shippers' and the engine's own.

``{"@timestamp":"2026-10-20T03:10:00Z","event":{"action":"logged-in","category":["authentication"]},"user":{"name":"x"}}``
"""

from __future__ import annotations

from typing import Any

from connectors.record import RawRecord
from normalizers.decoding import MAX_FIELDS, MAX_LIST, decode_object, flatten
from normalizers.errors import BadTimestampError, MalformedRecordError
from normalizers.event import EcsEvent, Scalar, build_event
from normalizers.source import SourceProfile
from normalizers.timestamps import parse_iso8601

OURS = (
    "convergence.clock.",
    "convergence.canary.",
    "convergence.person",
    "convergence.asset",
    "convergence.approval.",
    "convergence.conduit.",
)
"""Fields that only context may write: a sender must not forge a verdict."""

ENGINES = "convergence.feed."
"""Fields of what the engine itself notices of a source, which rules of the category `engine` ask for."""


def normalize_ecs_event(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Flatten one event and keep its fields, but for verdicts."""
    content = decode_object(record.value)
    flat = flatten(content)
    for path, values in _inside_lists(content, "").items():
        flat.setdefault(path, values[:MAX_LIST])
    if len(flat) > MAX_FIELDS:
        raise MalformedRecordError(f"has more than {MAX_FIELDS} fields")
    stamp = flat.pop("@timestamp", None)
    if not isinstance(stamp, str):
        raise BadTimestampError(stamp, "an ISO 8601 time in @timestamp")
    forged = OURS if record.dataset == "engine.event" else (*OURS, ENGINES)
    fields = {path: value for path, value in flat.items() if not path.startswith(forged)}
    fields.setdefault("event.kind", "event")
    fields["event.dataset"] = record.dataset
    for path in ("event.category", "event.type"):
        if isinstance(fields.get(path), str):
            fields[path] = [str(fields[path])]
    return [build_event(record, parse_iso8601(stamp, source.zone), fields)]


def _inside_lists(content: dict[str, Any], prefix: str) -> dict[str, list[Scalar]]:
    """Return what stands in the objects of lists, under the path to it: rules ask what any of the objects has."""
    found: dict[str, list[Scalar]] = {}
    for name, value in content.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            found |= _inside_lists(value, f"{path}.")
        elif isinstance(value, list):
            for each in value[:MAX_LIST]:
                if isinstance(each, dict):
                    for inner, member in flatten(each, f"{path}.").items():
                        found.setdefault(inner, []).extend(member if isinstance(member, list) else [member])
    return found
