"""UniFi Protect events, as its application pushes them.

``{"type":"add","item":{"id":"1111","modelKey":"event","type":"disconnect","start":1735689600000,"device":"aabbcc"}}``
"""

from __future__ import annotations

from typing import Any

import msgspec

from connectors.record import RawRecord
from normalizers.decoding import decode_json
from normalizers.described import described
from normalizers.errors import MissingFieldError
from normalizers.event import EcsEvent, Scalar, build_event
from normalizers.source import SourceProfile
from normalizers.timestamps import from_epoch

DATASET = "unifi.protect"

_ACTIONS = {
    "disconnect": "camera-offline",
    "connect": "camera-restored",
    "tamper": "camera-tampered",
    "cameraTampered": "camera-tampered",
    "recordingOff": "recording-stopped",
    "motion": "motion-detected",
    "smartDetectZone": "person-detected",
    "smartDetectLine": "person-detected",
    "ring": "doorbell-rung",
    "sensorOpened": "door-opened",
    "sensorClosed": "door-closed",
    "nfcCardScanned": "credential-scanned",
    "fingerprintIdentified": "credential-scanned",
    "access": "operator-access",
}


class _Item(msgspec.Struct):
    type: str
    start: int | None = None
    id: str | None = None
    camera: str | None = None
    camera_id: str | None = msgspec.field(default=None, name="cameraId")
    device: str | None = None
    user: str | None = None
    score: float | None = None
    detected: list[str] = msgspec.field(default=[], name="smartDetectTypes")
    metadata: dict[str, Any] | None = None


class _Message(msgspec.Struct):
    item: _Item


def normalize_unifi_protect(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:  # noqa: ARG001  times are UTC
    """Read one event, bare or as the item of a message."""
    wrapped = b'"item"' in record.value[:4096]
    item = decode_json(record.value, _Message).item if wrapped else decode_json(record.value, _Item)
    if item.start is None:
        raise MissingFieldError("start")
    action = _ACTIONS.get(item.type, item.type.lower()[:80])
    if item.type.startswith("smartDetect") and item.detected and "person" not in item.detected:
        action = "motion-detected"
    fields = described(action, dataset=DATASET, module="unifi_protect", domain="physical")
    fields["event.code"] = item.type
    fields["unifi.event.id"] = item.id
    fields["unifi.detected"] = list[Scalar](item.detected) or None
    camera = item.camera or item.camera_id or item.device
    if action.startswith("door-"):
        fields["physical.portal.id"] = camera
    else:
        fields["physical.camera.id"] = camera
    fields["user.id"] = item.user
    return [build_event(record, from_epoch(item.start, "ms"), fields)]
