"""Rows of a personnel file: one JSON object of texts a row, as the folder connector makes them of CSV.

Columns, in any case: ``person_id`` or ``employee_id``, ``name``, ``status``, ``effective``, ``type``, ``title``,
``site``.
"""

from __future__ import annotations

from connectors.record import RawRecord
from normalizers.decoding import decode_object, text
from normalizers.described import described
from normalizers.errors import MalformedRecordError, MissingFieldError
from normalizers.event import EcsEvent, build_event
from normalizers.source import SourceProfile
from normalizers.timestamps import parse_iso8601

DATASET = "hr.person"
STATUS = {
    "active": "active", "a": "active", "employed": "active",
    "leave": "leave", "on leave": "leave", "l": "leave",
    "terminated": "terminated", "t": "terminated", "left": "terminated", "inactive": "terminated",
}  # fmt: skip
TYPES = frozenset({"employee", "contractor", "vendor", "visitor"})


def normalize_hr_person(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Read one row. A date is the start of that day in the source's zone; without one the row holds from receipt."""
    row = {
        str(key).lower().replace(" ", "_"): value
        for key, each in decode_object(record.value).items()
        if (value := text(each)) is not None
    }
    person_id = row.get("person_id") or row.get("employee_id")
    if person_id is None:
        raise MissingFieldError("person_id")
    status = STATUS.get(row.get("status", "").lower())
    if status is None:
        raise MalformedRecordError(f"status {row.get('status')!r} is none of {', '.join(sorted(set(STATUS.values())))}")
    stamp = row.get("effective") or row.get("effective_date")
    effective_ns = None
    if stamp is not None:
        effective_ns = parse_iso8601(stamp if len(stamp) > 10 else f"{stamp}T00:00:00", source.zone)
    fields = described("hr-status-changed", dataset=DATASET, module="hr", domain="context")
    fields["user.full_name"] = row.get("name")
    fields["user.target.id"] = person_id
    fields["hr.person_id"] = person_id
    fields["hr.status"] = status
    kind = row.get("type", "").lower()
    fields["hr.type"] = kind if kind in TYPES else None
    fields["hr.title"] = row.get("title")
    fields["hr.site"] = row.get("site")
    fields["hr.effective_ns"] = effective_ns
    return [build_event(record, record.received_ns if effective_ns is None else effective_ns, fields)]
