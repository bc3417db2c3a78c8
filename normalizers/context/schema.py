"""The rows of the context tables: one Struct a table.

A column that a row leaves empty is *not stated*: rows of one key are merged column by column, and a later known
statement wins for the times that it covers (see `normalizers.context.history`).
"""

from __future__ import annotations

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What every row may carry.

    Attributes:
        valid_from_ns: The row is true from then on; unset: always was.
        valid_to_ns: The row is true before then; unset: still is.
        decided_at_ns: When the source system decided it, such as when an approval was given.
        part: Which part of the keyed thing the row states, for rows that a feed sends apart (an approver).
    """

    valid_from_ns: int | None = None
    valid_to_ns: int | None = None
    decided_at_ns: int | None = None
    part: str | None = None


class Person(Row, frozen=True, kw_only=True):
    """Somebody who works for, with or at the organisation; or a shared account's stand-in."""

    person_id: str
    name: str | None = None
    type: str | None = None
    status: str | None = None
    vendor: str | None = None
    groups: tuple[str, ...] | None = None
    title: str | None = None
    site: str | None = None


class Identity(Row, frozen=True, kw_only=True):
    """An account, badge or mail address, and whose it is."""

    person_id: str | None = None
    system: str
    kind: str
    value: str


class Asset(Row, frozen=True, kw_only=True):
    """A host, controller, door, camera, panel or network device."""

    asset_id: str
    name: str | None = None
    hostnames: tuple[str, ...] | None = None
    aliases: tuple[str, ...] | None = None
    ips: tuple[str, ...] | None = None
    macs: tuple[str, ...] | None = None
    role: str | None = None
    zone: str | None = None
    criticality: str | None = None
    safety_related: bool | None = None
    owner: str | None = None
    owner_phone: str | None = None
    lifecycle: str | None = None
    location_id: str | None = None
    shared: bool | None = None
    covers: tuple[str, ...] | None = None
    retention_days: int | None = None
    site: str | None = None


class Zone(Row, frozen=True, kw_only=True):
    """A network zone (IEC 62443-3-2)."""

    zone_id: str
    name: str | None = None
    zone_class: str | None = None
    cidrs: tuple[str, ...] | None = None
    purdue_level: float | None = None
    security_level_target: int | None = None
    site: str | None = None


class Conduit(Row, frozen=True, kw_only=True):
    """What may pass from one end to another; an end is a zone id, ``role:…``, ``asset:…`` or ``*``."""

    conduit_id: str
    source: str | None = None
    destination: str | None = None
    transport: tuple[str, ...] | None = None
    ports: tuple[str, ...] | None = None
    protocols: tuple[str, ...] | None = None
    function_classes: tuple[str, ...] | None = None
    verdict: str | None = None
    owner: str | None = None
    exception_id: str | None = None


class Location(Row, frozen=True, kw_only=True):
    """A place in the tree of site, building, floor, room and portal."""

    location_id: str
    parent: str | None = None
    type: str | None = None
    name: str | None = None
    site: str | None = None
    timezone: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    schedule: str | None = None
    exit_reader: bool | None = None
    egress_ips: tuple[str, ...] | None = None
    travel: tuple[str, ...] | None = None


class Schedule(Row, frozen=True, kw_only=True):
    """One weekly window of a schedule; rows of one name add up. Minutes after local midnight."""

    schedule: str
    days: tuple[str, ...]
    start: int
    end: int
    timezone: str | None = None
    holidays: tuple[str, ...] | None = None
    kind: str | None = None


class Approval(Row, frozen=True, kw_only=True):
    """A ticket that allows a change or an access; the window is when it may be used."""

    approval_id: str
    kind: str | None = None
    status: str | None = None
    requester: str | None = None
    approvers: tuple[str, ...] | None = None
    scope_assets: tuple[str, ...] | None = None
    vendor: str | None = None
    people: tuple[str, ...] | None = None
    window_from_ns: int | None = None
    window_to_ns: int | None = None


class Vendor(Row, frozen=True, kw_only=True):
    """A supplier, and the roles of assets that it may touch."""

    vendor_id: str
    name: str | None = None
    scope_roles: tuple[str, ...] | None = None


class ListEntry(Row, frozen=True, kw_only=True):
    """One value of a named list."""

    list: str
    value: str


class ExceptionGrant(Row, frozen=True, kw_only=True):
    """A registered exception or accepted risk."""

    exception_id: str
    rule: str | None = None
    match: str | None = None
    reason: str | None = None
    owner: str | None = None
    expires_ns: int | None = None


class TagLimit(Row, frozen=True, kw_only=True):
    """Engineering limits of a process tag."""

    tag: str
    controller: str
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None


def identity_key(system: str, kind: str, value: str) -> tuple[object, ...]:
    """Return the key of an identity; a mail address is the same in every system."""
    return ("" if kind == "email" else system.lower(), kind, value.lower())
