"""The ECS event that every normalizer makes."""

from __future__ import annotations

import msgspec

from connectors.record import RawRecord, hashed_id

Scalar = str | int | float | bool | None
Value = Scalar | list[Scalar]
"""What a field may hold: a scalar or a flat list of scalars."""


class EcsEvent(msgspec.Struct, gc=False):
    """One thing that happened, in ECS.

    Attributes:
        id: Hash of the record id and the event's index in the record.
        time_ns: When it happened; UTC nanoseconds, corrected by the clock stage, never after `received_ns`.
        received_ns: When a collector took the record; UTC nanoseconds.
        uncertainty_ns: Half-width of the interval that holds the true time.
        source: Logical source id.
        dataset: Such as ``zeek.conn``.
        fields: Flat, dotted ECS names. Unset fields are absent; ``None`` means the record said null.
    """

    id: str
    time_ns: int
    received_ns: int
    uncertainty_ns: int
    source: str
    dataset: str
    fields: dict[str, Value]


def build_event(record: RawRecord, device_time_ns: int, fields: dict[str, Value], *, index: int = 0) -> EcsEvent:
    """Make an event of a record, with the device's own time still uncorrected.

    Args:
        record: Where it came from.
        device_time_ns: As the device stamped it; UTC nanoseconds after the layout's zone rules.
        fields: Flat ECS names; entries that are None are dropped, the rest is kept as given.
        index: Position of the event in its record, for records that hold several.
    """
    kept: dict[str, Value] = {name: value for name, value in fields.items() if value is not None}
    return EcsEvent(
        id=hashed_id(record.id, index),
        time_ns=device_time_ns,
        received_ns=record.received_ns,
        uncertainty_ns=0,
        source=record.source,
        dataset=record.dataset,
        fields=kept,
    )
