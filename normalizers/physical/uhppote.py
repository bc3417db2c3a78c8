"""UHPPOTE controllers through the open gateway (uhppoted-mqtt ``get-event``).

``{"device-id":405419896,"event-id":50,"event-type":2,"event-type-text":"door","access-granted":true,"door-id":4,
"direction":1,"card-number":8165538,"event-reason":0,"timestamp":"2026-08-09 16:18:55 PDT"}``
"""

from __future__ import annotations

import msgspec

from connectors.record import RawRecord
from normalizers.decoding import decode_json
from normalizers.described import described
from normalizers.event import EcsEvent, build_event
from normalizers.source import SourceProfile
from normalizers.timestamps import parse_zone_abbreviation

DATASET = "uhppote.event"

REASONS = {
    1: "swipe", 5: "swipe:denied, system", 6: "no access rights", 7: "incorrect password", 8: "anti-passback",
    9: "more cards", 10: "first card open", 11: "door is normally closed", 12: "interlock",
    13: "not in allowed time period", 15: "invalid timezone", 18: "access denied", 20: "push button ok",
    23: "door opened", 24: "door closed", 25: "door opened (supervisor password)", 28: "controller power on",
    29: "controller reset", 31: "pushbutton invalid (door locked)", 32: "pushbutton invalid (offline)",
    34: "door held open", 35: "forced open", 37: "fire", 38: "forced close", 44: "remote open door",
    45: "remote open door (USB reader)",
}  # fmt: skip
"""Reasons of the controller's protocol (uhppoted, event reasons)."""

_BY_REASON = {
    23: "door-opened",
    24: "door-closed",
    25: "door-opened",
    34: "door-held",
    35: "door-forced",
    44: "door-unlocked-command",
    45: "door-unlocked-command",
    20: "door-opened",
    28: "panel-restored",
    29: "panel-restored",
}
_SWIPE = 1


class _Event(msgspec.Struct):
    timestamp: str
    device_id: int = msgspec.field(name="device-id")
    event_type: int = msgspec.field(name="event-type")
    event_id: int | None = msgspec.field(default=None, name="event-id")
    access_granted: bool | None = msgspec.field(default=None, name="access-granted")
    door_id: int | None = msgspec.field(default=None, name="door-id")
    direction: int | None = None
    card_number: int | None = msgspec.field(default=None, name="card-number")
    event_reason: int | None = msgspec.field(default=None, name="event-reason")


class _Reply(msgspec.Struct):
    event: _Event


def normalize_uhppote_event(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Read one event, bare or in the gateway's reply."""
    wrapped = b'"event":' in record.value[:200]
    event = decode_json(record.value, _Reply).event if wrapped else decode_json(record.value, _Event)
    if event.event_type == _SWIPE or (event.card_number and event.event_reason not in _BY_REASON):
        action = "access-granted" if event.access_granted else "access-denied"
    else:
        action = _BY_REASON.get(event.event_reason or 0, "alarm" if event.event_type == 3 else "door-status")
    fields = described(action, dataset=DATASET, module="uhppote", domain="physical")
    fields["event.code"] = None if event.event_reason is None else str(event.event_reason)
    fields["event.reason"] = REASONS.get(event.event_reason or 0)
    fields["physical.panel.id"] = fields["convergence.feed.journal"] = str(event.device_id)
    fields["event.sequence"] = event.event_id
    if event.door_id:
        fields["physical.portal.id"] = f"{event.device_id}/{event.door_id}"
    if event.card_number and action.startswith("access-"):
        fields["physical.credential.id"] = str(event.card_number)
        fields["physical.reader.direction"] = {1: "in", 2: "out"}.get(event.direction or 0)
    return [build_event(record, parse_zone_abbreviation(event.timestamp, source.zone), fields)]
