"""Gallagher Command Centre events, as its REST interface gives them.

Source: GallagherSecurity/cc-rest-docs, eventsApi.yaml. One event a record:
``{"id":"61320","time":"2026-02-18T19:21:52Z","type":{"id":"23035","name":"Forced door"},
"source":{"id":"1321","name":"Loading bay"}}``
"""

from __future__ import annotations

import re

import msgspec

from connectors.record import RawRecord
from normalizers.decoding import decode_json, text
from normalizers.described import Outcome, described
from normalizers.errors import MissingFieldError
from normalizers.event import EcsEvent, Value, build_event
from normalizers.source import SourceProfile
from normalizers.timestamps import parse_iso8601

DATASET = "gallagher.event"

MOVEMENTS = frozenset(
    {"20001", "20002", "20003", "20047", "20107", "15582", "15583", "15800", "15808", "42415"}
)  # fmt: skip
"""Event types of a cardholder moving through a door (eventsApi.yaml)."""


class _Item(msgspec.Struct):
    id: str | None = None
    name: str | None = None
    href: str | None = None


class _Cardholder(_Item):
    first_name: str | None = msgspec.field(default=None, name="firstName")
    last_name: str | None = msgspec.field(default=None, name="lastName")


class _Card(msgspec.Struct):
    number: str | None = None
    facility_code: str | None = msgspec.field(default=None, name="facilityCode")


class _Event(msgspec.Struct):
    time: str
    type: _Item
    id: str | None = None
    message: str | None = None
    priority: int | None = None
    source: _Item | None = None
    cardholder: _Cardholder | None = None
    card: _Card | None = None
    operator: _Item | None = None
    modified_item: _Item | None = msgspec.field(default=None, name="modifiedItem")
    entry_zone: _Item | None = msgspec.field(default=None, name="entryAccessZone")
    exit_zone: _Item | None = msgspec.field(default=None, name="exitAccessZone")


_CLOCK, _SET = r"clock|date and time|(controller|panel|system) time", r"set|changed|adjusted|synchroni[sz]ed"
_WORDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), action)
    for pattern, action in (
        (r"anti-?passback.*(reset|forgiv|clear)|(reset|forgiv|clear).*anti-?passback", "antipassback-reset"),
        (r"(muster|evacuation).*(start|began|activated)", "muster-started"),
        (r"muster", "mustered"),
        (r"forced", "door-forced"),
        (r"(open too long|held open|door held)", "door-held"),
        (r"(denied|rejected|not granted|no access|invalid card)", "access-denied"),
        (r"(granted|entry taken|access taken)", "access-granted"),
        (r"schedule .*(changed|modified|updated)|(changed|modified|updated) schedule", "schedule-changed"),
        (rf"({_CLOCK}) (was )?({_SET})|({_SET}) (the )?({_CLOCK})", "time-sync"),
        (r"(unlock|momentary release|free access).*(command|override)", "door-unlocked-command"),
        (r"override.*(unlock|open|free)", "door-unlocked-command"),
        (r"(access mode|door mode|lock ?down|access zone .*mode)", "door-mode-changed"),
        (r"access group .*(changed|modified|added|removed)", "access-level-changed"),
        (r"card .*(issued|created)", "credential-issued"),
        (r"card .*(disabled|revoked|deleted)", "credential-revoked"),
        (r"camera .*(offline|lost|failed)", "camera-offline"),
        (r"camera .*(restored|online)", "camera-restored"),
        (r"(controller|panel|reader) .*(offline|lost|failed)", "panel-offline"),
        (r"(controller|panel|reader) .*(restored|online)", "panel-restored"),
    )
)  # fmt: skip
"""Names of event types are the installer's to change, their numbers are not published; so words decide, in order."""


def normalize_gallagher_event(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Read one event."""
    event = decode_json(record.value, _Event)
    name = event.type.name or ""
    action, outcome = _action(event)
    item = event.source or _Item()
    fields = described(action, dataset=DATASET, module="gallagher", domain="physical", outcome=outcome)
    fields["event.code"] = event.type.id
    fields["event.reason"] = event.message
    fields["event.provider"] = name or None
    fields["event.severity"] = event.priority
    portal = event.modified_item if action == "schedule-changed" and event.modified_item else item
    if action.startswith("camera-"):
        fields["physical.camera.id"], fields["physical.camera.name"] = item.id, item.name
    elif action.startswith("panel-"):
        fields["physical.panel.id"], fields["physical.panel.name"] = item.id, item.name
    else:
        fields["physical.portal.id"], fields["physical.portal.name"] = portal.name or portal.id, portal.name
    if action == "schedule-changed" and event.modified_item is not None:
        fields["physical.schedule.name"] = event.modified_item.name
    if event.operator is not None and event.operator.name:
        fields["user.name"] = event.operator.name.rpartition("\\")[2]
        fields["user.domain"] = event.operator.name.rpartition("\\")[0] or None
    _add_credential(fields, event)
    if event.id is not None:
        fields["gallagher.event.id"] = event.id
    return [build_event(record, parse_iso8601(event.time, source.zone), fields)]


def _action(event: _Event) -> tuple[str, Outcome | None]:
    name = event.type.name or event.message or ""
    for pattern, action in _WORDS:
        if pattern.search(name):
            return action, None
    if event.type.id in MOVEMENTS or (event.entry_zone is not None and event.cardholder is not None):
        return "access-granted", None
    if not name and event.type.id is None:
        raise MissingFieldError("type")
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:80] or f"type-{event.type.id}", None


def _add_credential(fields: dict[str, Value], event: _Event) -> None:
    if event.card is not None:
        fields["physical.credential.id"] = text(event.card.number)
    if event.cardholder is not None:
        named = " ".join(filter(None, (event.cardholder.first_name, event.cardholder.last_name)))
        fields["physical.cardholder.name"] = named or event.cardholder.name
    entry, left = event.entry_zone, event.exit_zone
    if entry is not None and entry.name:
        fields["physical.zone.entered"] = entry.name
    if left is not None and left.name:
        fields["physical.zone.left"] = left.name
    if event.card is not None and (entry is not None or left is not None):
        # Without a zone behind the door one is outside.
        fields["physical.reader.direction"] = "in" if entry is not None and entry.name != "Outside" else "out"
