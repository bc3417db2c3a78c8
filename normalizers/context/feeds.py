"""Events of the ticket and personnel feeds to rows of context tables."""

from __future__ import annotations

from typing import Any

from normalizers.context.rows import ContextRows
from normalizers.event import EcsEvent, Value

_STATUS = {"approved": "approved", "rejected": "rejected", "requested": "requested", "closed": "closed"}


def feed_rows(event: EcsEvent, known_at_ns: int) -> list[ContextRows]:
    """Return what an event of a feed teaches.

    Args:
        event: Of dataset `servicenow.change`, `hr.person` or `context.marker`.
        known_at_ns: From when on it is known.
    """
    fields = event.fields
    match event.dataset:
        case "servicenow.change":
            return [ContextRows("approvals", known_at_ns, (_approval(fields),))] if _ticket(fields) else []
        case "hr.person":
            return _personnel(fields, known_at_ns)
        case "context.marker":
            table, current_to = fields.get("convergence.context.table"), fields.get("convergence.context.current_to_ns")
            if isinstance(table, str) and isinstance(current_to, int):
                return [ContextRows(table, known_at_ns, current_to_ns=current_to)]
            return []
        case _:
            return []


def _ticket(fields: dict[str, Value]) -> str | None:
    ticket = fields.get("servicenow.change")
    return ticket if isinstance(ticket, str) and ticket else None


def _approval(fields: dict[str, Value]) -> dict[str, Any]:
    row: dict[str, Any] = {"approval_id": _ticket(fields)}
    names = {
        "kind": "servicenow.kind",
        "requester": "servicenow.requested_by",
        "vendor": "servicenow.vendor",
        "window_from_ns": "servicenow.start_ns",
        "window_to_ns": "servicenow.end_ns",
        "decided_at_ns": "servicenow.decided_ns",
        "part": "servicenow.part",
    }
    row |= {column: fields[path] for column, path in names.items() if path in fields}
    status = fields.get("servicenow.status")
    if isinstance(status, str) and status in _STATUS:
        row["status"] = _STATUS[status]
    for column, path in (
        ("approvers", "servicenow.approver"),
        ("scope_assets", "servicenow.ci"),
        ("people", "servicenow.people"),
    ):
        value = fields.get(path)
        if value is not None:
            row[column] = [str(each) for each in value] if isinstance(value, list) else [str(value)]
    return row


def _personnel(fields: dict[str, Value], known_at_ns: int) -> list[ContextRows]:
    person_id = fields.get("hr.person_id")
    if not isinstance(person_id, str):
        return []
    person: dict[str, Any] = {"person_id": person_id}
    names = {"name": "user.full_name", "status": "hr.status", "type": "hr.type", "title": "hr.title", "site": "hr.site"}
    person |= {column: fields[path] for column, path in names.items() if path in fields}
    effective = fields.get("hr.effective_ns")
    if isinstance(effective, int):
        person["valid_from_ns"] = effective
    return [ContextRows("people", known_at_ns, (person,))]
