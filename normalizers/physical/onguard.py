"""Lenel OnGuard events: ``KEY="value"`` lines and rows of CSV reports (as JSON objects of texts), keys in any case.

``EVENT_TIME_UTC="2026-10-20 01:02:03" EVDESCR="Access Granted" CARDNUM="10021" READERDESC="Hall In" PANELNAME="LNL-1"``
"""

from __future__ import annotations

import re

from connectors.record import RawRecord
from normalizers.decoding import decode_object, text
from normalizers.described import described
from normalizers.errors import MalformedRecordError, MissingFieldError
from normalizers.event import EcsEvent, build_event
from normalizers.source import UTC, SourceProfile
from normalizers.timestamps import parse_iso8601

DATASET = "onguard.event"
_PAIR = re.compile(r'(\w{1,64})="([^"]{0,4000})"')
_WORDS = (
    ("forced", "door-forced"),
    ("held open", "door-held"),
    ("granted", "access-granted"),
    ("denied", "access-denied"),
    ("invalid", "access-denied"),
    ("time set", "time-sync"),
    ("clock set", "time-sync"),
    ("timezone changed", "schedule-changed"),
    ("schedule", "schedule-changed"),
    ("mode", "door-mode-changed"),
    ("unlocked by operator", "door-unlocked-command"),
    ("open door command", "door-unlocked-command"),
    ("access level", "access-level-changed"),
    ("camera offline", "camera-offline"),
    ("communications lost", "panel-offline"),
    ("communications restored", "panel-restored"),
)


def normalize_onguard_event(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Read one line or row."""
    row = _row(record.value)
    described_as = row.get("evdescr") or row.get("event_description") or row.get("event")
    if described_as is None:
        raise MissingFieldError("EVDESCR")
    stamp = row.get("event_time_utc")
    zone = UTC
    if stamp is None:
        stamp, zone = row.get("event_time") or row.get("eventtime"), source.zone
    if stamp is None:
        raise MissingFieldError("EVENT_TIME_UTC")
    lowered = described_as.lower()
    action = next((action for word, action in _WORDS if word in lowered), None)
    fields = described(
        action or re.sub(r"[^a-z0-9]+", "-", lowered).strip("-")[:80] or "event",
        dataset=DATASET,
        module="onguard",
        domain="physical",
    )
    reader = row.get("readerdesc")
    fields["event.reason"] = described_as
    fields["physical.panel.name"] = row.get("panelname")
    fields["physical.segment.name"] = row.get("segmentname")
    fields["physical.credential.id"] = row.get("cardnum") or row.get("badgekey")
    fields["physical.cardholder.name"] = " ".join(filter(None, (row.get("firstname"), row.get("lastname")))) or None
    fields["physical.reader.name"] = reader
    if reader is not None:
        door, direction = _direction(reader)
        fields["physical.portal.id"], fields["physical.portal.name"] = door, door
        fields["physical.reader.direction"] = direction
    fields["user.name"] = row.get("operator")
    return [build_event(record, parse_iso8601(stamp, zone), fields)]


def _row(value: bytes) -> dict[str, str]:
    head = value.lstrip(b"\xef\xbb\xbf \t")
    if head.startswith(b"{"):
        pairs = {str(key).lower(): text(each) for key, each in decode_object(value).items()}
    else:
        pairs = {key.lower(): found.strip() or None for key, found in _PAIR.findall(value.decode("utf-8", "replace"))}
    row = {key: each for key, each in pairs.items() if each is not None}
    if not row:
        raise MalformedRecordError('holds no KEY="value" pair')
    return row


def _direction(reader: str) -> tuple[str, str | None]:
    """Split ``Hall entrance In``: by convention the direction is the reader's last word."""
    head, _, last = reader.rpartition(" ")
    word = last.strip("()").lower()
    return (head.strip(" -"), word) if head and word in {"in", "out"} else (reader, None)
