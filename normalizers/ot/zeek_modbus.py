"""Zeek ``modbus.log`` and ICSNPP ``modbus_detailed.log``: one row a request or answer.

``{"ts":1747398906.1,"uid":"CHh","id.orig_h":"10.30.1.11","id.orig_p":47785,"id.resp_h":"10.30.2.7","id.resp_p":502,
"func":"READ_COILS","unit":5,"address":1,"quantity":8}``
"""

from __future__ import annotations

from connectors.record import RawRecord
from normalizers.described import described
from normalizers.errors import MissingFieldError
from normalizers.event import EcsEvent, build_event
from normalizers.industrial import MODBUS, OTHER
from normalizers.source import SourceProfile
from normalizers.zeek import ZeekRow

DATASET = "zeek.modbus"


def normalize_zeek_modbus(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:  # noqa: ARG001  times are UTC
    """Read one row. Exceptions in the function's name mean that the controller refused."""
    row = ZeekRow(record)
    name = row.text("func")
    if name is None:
        raise MissingFieldError("func")
    plain = name.removesuffix("_EXCEPTION")
    function = MODBUS.get(plain, OTHER)
    refused = name.endswith("_EXCEPTION") or row.text("exception") is not None or row.text("exception_code") is not None
    fields = described(
        function.action, dataset=DATASET, module="zeek", domain="ot", outcome="failure" if refused else None
    )
    fields["event.category"] = ["network"]
    fields |= row.ends()
    fields["network.transport"], fields["network.protocol"] = "tcp", "modbus"
    fields["ot.protocol"] = "modbus"
    fields["ot.function.name"], fields["ot.function.class"] = plain, function.kind
    fields["ot.unit.id"] = row.number("unit") if row.number("unit") is not None else row.number("unit_id")
    fields["ot.point.address"], fields["ot.point.quantity"] = row.number("address"), row.number("quantity")
    fields["ot.point.value"] = row.text("request_values") or row.text("values")
    return [build_event(record, row.time_ns(), fields)]
