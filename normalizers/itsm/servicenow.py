"""ServiceNow change requests with their ``sysapproval_approver`` and ``task_ci`` rows.

One row a record, as the table API returns it:
``{"sys_class_name":"change_request","sys_id":"9f…","number":"CHG0000023",
"approval":"approved","state":"-1","start_date":"2026-07-06 18:17:22",…}``. Raw values are UTC without a zone,
booleans are texts; a reference is a sys_id or ``{"value":…,"display_value":…}``.
"""

from __future__ import annotations

from typing import Any

from connectors.record import RawRecord
from normalizers.decoding import decode_object, text
from normalizers.described import described
from normalizers.errors import MissingFieldError
from normalizers.event import EcsEvent, Value, build_event
from normalizers.source import SourceProfile
from normalizers.timestamps import parse_iso8601

DATASET = "servicenow.change"

CLOSED = frozenset({"3", "4", "7", "closed", "canceled", "cancelled"})
"""States of a change that allow nothing any more (default numbers of the change workflow)."""


def normalize_servicenow_change(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:  # noqa: ARG001  always UTC
    """Read one row of any of the three tables; told apart by their reference columns."""
    row = decode_object(record.value)
    if "sysapproval" in row:
        action, fields = _approver(row)
    elif "ci_item" in row:
        action, fields = "ticket-changed", _item(row)
    else:
        action, fields = "ticket-changed", _change(row)
    stamp = _text(row, "sys_updated_on") or _text(row, "sys_created_on")
    if stamp is None:
        raise MissingFieldError("sys_updated_on")
    updated_ns = parse_iso8601(stamp)
    if action == "approval-given":
        fields["servicenow.decided_ns"] = updated_ns
    whole = described(action, dataset=DATASET, module="servicenow", domain="context") | fields
    return [build_event(record, updated_ns, whole)]


def _change(row: dict[str, Any]) -> dict[str, Value]:
    change = _text(row, "sys_id")
    if change is None:
        raise MissingFieldError("sys_id")
    state, approval = (_text(row, "state") or "").lower(), (_text(row, "approval") or "").lower()
    status = "closed" if state in CLOSED else approval if approval in {"approved", "rejected"} else "requested"
    return {
        "servicenow.change": change,
        "servicenow.number": _text(row, "number"),
        "servicenow.status": status,
        "servicenow.kind": "access" if "access" in (_text(row, "type") or "").lower() else "change",
        "servicenow.requested_by": _text(row, "requested_by"),
        "servicenow.vendor": _text(row, "u_vendor") or _text(row, "vendor"),
        "servicenow.people": _text(row, "u_person"),
        "servicenow.ci": _text(row, "cmdb_ci"),
        "servicenow.start_ns": _stamp(row, "start_date"),
        "servicenow.end_ns": _stamp(row, "end_date"),
        "servicenow.part": "change",
    }


def _approver(row: dict[str, Any]) -> tuple[str, dict[str, Value]]:
    change, approver = _text(row, "sysapproval"), _text(row, "approver")
    if change is None or approver is None:
        raise MissingFieldError("sysapproval" if change is None else "approver")
    fields: dict[str, Value] = {"servicenow.change": change, "servicenow.part": f"approver {approver}"}
    state = (_text(row, "state") or "").lower()
    if state == "approved":
        fields["servicenow.approver"] = approver
        return "approval-given", fields
    return ("approval-rejected" if state == "rejected" else "ticket-changed"), fields


def _item(row: dict[str, Any]) -> dict[str, Value]:
    change, item = _text(row, "task"), _text(row, "ci_item")
    if change is None or item is None:
        raise MissingFieldError("task" if change is None else "ci_item")
    return {"servicenow.change": change, "servicenow.ci": item, "servicenow.part": f"item {item}"}


def _text(row: dict[str, Any], name: str) -> str | None:
    value = row.get(name)
    if isinstance(value, dict):
        value = value.get("display_value") or value.get("value")
    return text(value)


def _stamp(row: dict[str, Any], name: str) -> int | None:
    stamp = _text(row, name)
    return None if stamp is None else parse_iso8601(stamp)
