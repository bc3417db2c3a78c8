"""Frigate events (MQTT ``frigate/events``) and camera availability.

``{"type":"new","before":{…},"after":{"id":"1607123955.475377-mxklsc","camera":"front_door","label":"person",
"start_time":1607123955.475377,…}}``
``{"camera":"front_door","available":"offline","time":1607123955.4}``
"""

from __future__ import annotations

import msgspec

from connectors.record import RawRecord
from normalizers.decoding import decode_json
from normalizers.described import described
from normalizers.event import EcsEvent, Scalar, build_event
from normalizers.source import SourceProfile
from normalizers.timestamps import from_epoch

DATASET = "frigate.event"


class _Object(msgspec.Struct):
    id: str
    camera: str
    label: str
    start_time: float
    frame_time: float | None = None
    end_time: float | None = None
    top_score: float | None = None
    entered_zones: list[str] = []


class _Change(msgspec.Struct):
    type: str
    after: _Object


class _Availability(msgspec.Struct):
    camera: str
    available: str
    time: float


def normalize_frigate_event(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:  # noqa: ARG001  times are UTC
    """Read one message; updates that change nothing for security are understood and dropped."""
    if b'"available"' in record.value[:400]:
        state = decode_json(record.value, _Availability)
        action = "camera-offline" if state.available.lower() in {"offline", "false"} else "camera-restored"
        fields = described(action, dataset=DATASET, module="frigate", domain="physical")
        fields["physical.camera.id"] = state.camera
        return [build_event(record, from_epoch(state.time, "s"), fields)]
    change = decode_json(record.value, _Change)
    if change.type != "new":
        return []
    found = change.after
    action = "person-detected" if found.label == "person" else "motion-detected"
    fields = described(action, dataset=DATASET, module="frigate", domain="physical")
    fields["physical.camera.id"] = found.camera
    fields["frigate.event.id"] = found.id
    fields["frigate.label"] = found.label
    fields["frigate.score"] = found.top_score
    fields["frigate.zones"] = list[Scalar](found.entered_zones) or None
    return [build_event(record, from_epoch(found.start_time, "s"), fields)]
