"""The context tables as files: which columns each has and what a cell may hold."""

from __future__ import annotations

import msgspec

from normalizers.context import cells
from normalizers.context.cells import Reader
from normalizers.context.schema import (
    Approval,
    Asset,
    Conduit,
    ExceptionGrant,
    Identity,
    ListEntry,
    Location,
    Person,
    Row,
    Schedule,
    TagLimit,
    Vendor,
    Zone,
    identity_key,
)


class Column(msgspec.Struct, frozen=True):
    """One column of a file.

    Attributes:
        name: As in the file's header.
        attribute: As in the Struct.
        read: Reads a non-empty cell.
        required: An empty cell is a fault.
    """

    name: str
    attribute: str
    read: Reader
    required: bool = False


class Table(msgspec.Struct, frozen=True):
    """One table.

    Attributes:
        name: File stem and `ContextRows.table`.
        row: Its Struct.
        key: Attributes that name the thing a row speaks of.
        columns: By name in the file.
    """

    name: str
    row: type[Row]
    key: tuple[str, ...]
    columns: dict[str, Column]


_VALIDITY = {"valid_from": cells.instant, "valid_to": cells.instant, "decided_at": cells.instant}
_RENAMED = {
    "valid_from": "valid_from_ns",
    "valid_to": "valid_to_ns",
    "decided_at": "decided_at_ns",
    "expires": "expires_ns",
    "class": "zone_class",
}
_APPROVAL_WINDOW = {"valid_from": "window_from_ns", "valid_to": "window_to_ns"}
"""An approval's window is a fact about it, not the time in which its row is true."""
_LEVELS = cells.one_of("low", "medium", "high", "critical")


def _table(
    name: str,
    row: type[Row],
    readers: dict[str, Reader],
    *,
    key: str,
    required: str = "",
) -> Table:
    renamed = _RENAMED | (_APPROVAL_WINDOW if row is Approval else {})
    must = {*key.split(), *required.split()}
    columns = {
        column: Column(column, renamed.get(column, column), read, column in must)
        for column, read in (readers | _VALIDITY).items()
    }
    return Table(name, row, tuple(key.split()), columns)


_PEOPLE: dict[str, Reader] = {
    "person_id": cells.text,
    "name": cells.text,
    "type": cells.one_of("employee", "contractor", "vendor", "visitor", "shared"),
    "status": cells.one_of("active", "leave", "terminated"),
    "vendor": cells.text,
    "groups": cells.texts,
    "title": cells.text,
    "site": cells.text,
}
_IDENTITIES: dict[str, Reader] = {
    "person_id": cells.text,
    "system": cells.text,
    "kind": cells.one_of("account", "badge", "email"),
    "value": cells.text,
}
_ASSETS: dict[str, Reader] = {
    "asset_id": cells.text,
    "name": cells.text,
    "hostnames": cells.lower_texts,
    "aliases": cells.texts,
    "ips": cells.addresses,
    "macs": cells.hardware_addresses,
    "role": cells.text,
    "zone": cells.text,
    "criticality": _LEVELS,
    "safety_related": cells.flag,
    "owner": cells.text,
    "owner_phone": cells.text,
    "lifecycle": cells.text,
    "location_id": cells.text,
    "shared": cells.flag,
    "covers": cells.texts,
    "retention_days": cells.whole(0, 36_500),
    "site": cells.text,
}
_ZONES: dict[str, Reader] = {
    "zone_id": cells.text,
    "name": cells.text,
    "class": cells.one_of("it", "ot", "dmz", "physec", "guest", "external"),
    "cidrs": cells.networks,
    "purdue_level": cells.number(0, 5),
    "security_level_target": cells.whole(0, 4),
    "site": cells.text,
}
_CONDUITS: dict[str, Reader] = {
    "conduit_id": cells.text,
    "source": cells.text,
    "destination": cells.text,
    "transport": cells.lower_texts,
    "ports": cells.ports,
    "protocols": cells.lower_texts,
    "function_classes": cells.lower_texts,
    "verdict": cells.one_of("allowed", "denied"),
    "owner": cells.text,
    "exception_id": cells.text,
}
_LOCATIONS: dict[str, Reader] = {
    "location_id": cells.text,
    "parent": cells.text,
    "type": cells.one_of("site", "building", "floor", "room", "portal"),
    "name": cells.text,
    "site": cells.text,
    "timezone": cells.zone_name,
    "latitude": cells.number(-90, 90),
    "longitude": cells.number(-180, 180),
    "schedule": cells.text,
    "exit_reader": cells.flag,
    "egress_ips": cells.networks,
    "travel": cells.ways,
}
_SCHEDULES: dict[str, Reader] = {
    "schedule": cells.text,
    "days": cells.weekdays,
    "start": cells.wall_clock,
    "end": cells.wall_clock,
    "timezone": cells.zone_name,
    "holidays": cells.dates,
    "kind": cells.one_of("business_hours", "shift", "maintenance", "door"),
}
_APPROVALS: dict[str, Reader] = {
    "approval_id": cells.text,
    "kind": cells.one_of("change", "access"),
    "status": cells.one_of("requested", "approved", "rejected", "closed"),
    "requester": cells.text,
    "approvers": cells.texts,
    "scope_assets": cells.texts,
    "vendor": cells.text,
    "people": cells.texts,
}
_EXCEPTIONS: dict[str, Reader] = {
    "exception_id": cells.text,
    "rule": cells.text,
    "match": cells.text,
    "reason": cells.text,
    "owner": cells.text,
    "expires": cells.instant,
}
_TAGS: dict[str, Reader] = {
    "tag": cells.text,
    "controller": cells.text,
    "minimum": cells.number(-1e300, 1e300),
    "maximum": cells.number(-1e300, 1e300),
    "unit": cells.text,
}

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _table("people", Person, _PEOPLE, key="person_id"),
        _table("identities", Identity, _IDENTITIES, key="system kind value", required="person_id"),
        _table("assets", Asset, _ASSETS, key="asset_id"),
        _table("zones", Zone, _ZONES, key="zone_id", required="class"),
        _table("conduits", Conduit, _CONDUITS, key="conduit_id", required="source destination verdict"),
        _table("locations", Location, _LOCATIONS, key="location_id", required="type"),
        _table("schedules", Schedule, _SCHEDULES, key="schedule days start end"),
        _table("approvals", Approval, _APPROVALS, key="approval_id", required="status"),
        _table(
            "vendors",
            Vendor,
            {"vendor_id": cells.text, "name": cells.text, "scope_roles": cells.texts},
            key="vendor_id",
        ),
        _table("lists", ListEntry, {"list": cells.text, "value": cells.text}, key="list value"),
        _table("exceptions", ExceptionGrant, _EXCEPTIONS, key="exception_id"),
        _table("tags", TagLimit, _TAGS, key="tag controller"),
    )
}
"""All tables by name."""


def key_of(table: Table, row: Row) -> tuple[object, ...]:
    """Return what a row speaks of; identifiers of people are compared without case."""
    values: tuple[object, ...] = tuple(getattr(row, attribute) for attribute in table.key)
    if isinstance(row, Identity):
        return identity_key(row.system, row.kind, row.value)
    return values
