"""Zeek ``conn.log``: one row a connection.

``{"ts":1747398906.1,"uid":"C1","id.orig_h":"10.10.1.17","id.orig_p":50123,"id.resp_h":"10.30.2.8","id.resp_p":502,
"proto":"tcp","service":"modbus","duration":1.5,"orig_bytes":120,"resp_bytes":80,"conn_state":"SF"}``
"""

from __future__ import annotations

from connectors.record import RawRecord
from normalizers.described import described
from normalizers.event import EcsEvent, build_event
from normalizers.industrial import PORTS
from normalizers.source import SourceProfile
from normalizers.zeek import ZeekRow

DATASET = "zeek.conn"

REFUSED = frozenset({"S0", "REJ", "RSTOS0", "RSTRH", "SH", "SHR"})
"""Connection states in which nothing was established."""


def normalize_zeek_conn(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:  # noqa: ARG001  times are UTC
    """Read one row; its time is the connection's start."""
    row = ZeekRow(record)
    port = row.number("id.resp_p")
    industrial = port in PORTS
    state = row.text("conn_state")
    fields = described(
        "ot-flow" if industrial else "network-connection",
        dataset=DATASET,
        module="zeek",
        domain="ot" if industrial else "it",
        outcome=None if state is None else "failure" if state in REFUSED else "success",
    )
    fields |= row.ends()
    fields["network.transport"] = row.text("proto")
    fields["network.protocol"] = row.text("service")
    fields["source.bytes"], fields["destination.bytes"] = row.number("orig_bytes"), row.number("resp_bytes")
    fields["zeek.connection.state"] = state
    duration = row.text("duration")
    if duration is not None:
        try:
            fields["event.duration"] = int(float(duration) * 1e9)
        except (ValueError, OverflowError):
            fields["event.duration"] = None
    return [build_event(record, row.time_ns(), fields)]
