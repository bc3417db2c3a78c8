"""ICSNPP ``s7comm.log``, ``s7comm_plus.log`` and their reads and uploads: one row a message.

``{"ts":1747398906.1,"id.orig_h":"10.30.1.12","id.resp_h":"10.30.2.7","id.resp_p":102,"rosctr_name":"Job-Request",
"function_code":"0x1a","function_name":"Request Download"}``
"""

from __future__ import annotations

from connectors.record import RawRecord
from normalizers.described import described
from normalizers.errors import MissingFieldError
from normalizers.event import EcsEvent, build_event
from normalizers.industrial import OTHER, S7_BY_NAME
from normalizers.source import SourceProfile
from normalizers.zeek import ZeekRow

DATASET = "zeek.s7comm"


def normalize_zeek_s7comm(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:  # noqa: ARG001  times are UTC
    """Read one row. Only a request is the action; the acknowledgement is the same message answered."""
    row = ZeekRow(record)
    kind = row.text("rosctr_name") or row.text("rosctr") or row.text("opcode_name")
    name = row.text("function_name") or row.text("subfunction_name")
    if kind is None and name is None:
        raise MissingFieldError("function_name")
    function = S7_BY_NAME.get((name or "").lower(), OTHER)
    answered = kind is not None and kind.lower().startswith("ack")
    action = f"{function.action}-acknowledged" if answered else function.action
    refused = (row.text("error_class") or "No error").lower() not in {"no error", "0x00"}
    fields = described(action, dataset=DATASET, module="zeek", domain="ot", outcome="failure" if refused else None)
    fields["event.category"] = ["network"]
    fields |= row.ends()
    fields["network.transport"], fields["network.protocol"] = "tcp", "s7comm"
    fields["ot.protocol"] = "s7comm"
    fields["ot.function.code"], fields["ot.function.name"] = row.text("function_code"), name
    fields["ot.function.class"] = function.kind
    fields["ot.message.type"] = kind
    return [build_event(record, row.time_ns(), fields)]
