"""Windows events of any other channel, such as PowerShell, Defender or the task scheduler: as they are.

``{"@timestamp":"2026-10-19T01:41:22Z","winlog":{"channel":"Microsoft-Windows-Windows Defender/Operational",
"event_id":1116,"computer_name":"ews-02","event_data":{"Threat Name":"EICAR"}}}``
"""

from __future__ import annotations

from connectors.record import RawRecord
from normalizers.described import described
from normalizers.endpoint.winlogbeat import read_windows_event
from normalizers.event import EcsEvent, build_event
from normalizers.source import SourceProfile

DATASET = "windows.event"


def normalize_windows_event(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Read one event; nothing is interpreted."""
    event = read_windows_event(record, source)
    fields = described(f"windows-{event.code}", dataset=DATASET, module="windows", domain="it")
    fields |= event.fields()
    fields["message"] = event.message or None
    return [build_event(record, event.time_ns, fields)]
