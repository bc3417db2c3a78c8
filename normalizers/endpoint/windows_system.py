"""Windows System log of the service control manager: 7036 (state changed) and 7045 (installed)."""

from __future__ import annotations

from connectors.record import RawRecord
from normalizers.described import described
from normalizers.endpoint.winlogbeat import read_windows_event
from normalizers.event import EcsEvent, build_event
from normalizers.source import SourceProfile

DATASET = "windows.system"
_INSTALLED, _STATE = 7045, 7036


def normalize_windows_system(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Read one event."""
    event = read_windows_event(record, source)
    data = event.data
    if event.code == _INSTALLED:
        action = "service-installed"
    elif event.code == _STATE:
        action = "service-stopped" if data.get("param2", "").lower() == "stopped" else "service-started"
    else:
        action = f"system-{event.code}"
    fields = described(action, dataset=DATASET, module="windows", domain="it")
    fields |= event.fields()
    fields["service.name"] = data.get("ServiceName") or data.get("param1")
    fields["process.executable"] = data.get("ImagePath")
    fields["user.name"] = data.get("AccountName") if event.code == _INSTALLED else None
    return [build_event(record, event.time_ns, fields)]
