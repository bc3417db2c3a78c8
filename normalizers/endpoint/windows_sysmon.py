r"""Sysmon: processes, connections, files, registry, libraries, names asked for, and what else it sees.

``{"@timestamp":"…","winlog":{"channel":"Microsoft-Windows-Sysmon/Operational","event_id":1,"computer_name":"hist",
"event_data":{"UtcTime":"2026-10-19 01:41:22.500","Image":"C:\\x.exe","CommandLine":"x.exe -a","User":"CORP\\ada"}}}``
"""

from __future__ import annotations

from connectors.record import RawRecord
from normalizers.described import described
from normalizers.endpoint.windows_security import add_file
from normalizers.endpoint.winlogbeat import read_windows_event
from normalizers.event import EcsEvent, Value, build_event
from normalizers.source import SourceProfile
from normalizers.timestamps import parse_iso8601

DATASET = "windows.sysmon"

ACTIONS = {
    1: "process-started",
    3: "network-connection",
    7: "library-loaded",
    11: "file-created",
    12: "registry-changed",
    13: "registry-changed",
    14: "registry-changed",
    22: "dns-query",
    23: "file-deleted",
    26: "file-deleted",
}
_REGISTRY = frozenset({12, 13, 14})
_LOADED = frozenset({6, 7})
"""Drivers and libraries: the file that is loaded is not the process."""


def normalize_windows_sysmon(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Read one event. Sysmon's own `UtcTime` is when it happened; the log's time is when it was written."""
    event = read_windows_event(record, source)
    data = event.data
    action = ACTIONS.get(event.code, f"sysmon-{event.code}")
    fields = described(action, dataset=DATASET, module="windows", domain="it")
    fields |= event.fields()
    _add_process(fields, data)
    user = data.get("User")
    if user is not None:
        domain, _, name = user.rpartition("\\")
        fields["user.name"], fields["user.domain"] = name, domain or None
    add_file(fields, data.get("TargetFilename"))
    if event.code in _REGISTRY:
        fields["registry.path"] = data.get("TargetObject")
    if event.code in _LOADED:
        fields["dll.path"] = data.get("ImageLoaded")
    fields["dns.question.name"] = data.get("QueryName")
    if event.code == 3:
        _add_connection(fields, data)
    stamp = data.get("UtcTime")
    return [build_event(record, event.time_ns if stamp is None else parse_iso8601(stamp), fields)]


def _add_process(fields: dict[str, Value], data: dict[str, str]) -> None:
    executable = data.get("Image") or data.get("SourceImage")
    if executable is not None:
        fields["process.executable"] = executable
        fields["process.name"] = executable.rpartition("\\")[2]
    fields["process.command_line"] = data.get("CommandLine")
    fields["process.parent.executable"] = data.get("ParentImage")
    fields["process.parent.command_line"] = data.get("ParentCommandLine")
    fields["process.integrity_level"] = data.get("IntegrityLevel")
    fields["winlog.logon.id"] = data.get("LogonId")
    fields["process.entity_id"] = data.get("ProcessGuid") or data.get("SourceProcessGUID")


def _add_connection(fields: dict[str, Value], data: dict[str, str]) -> None:
    fields["event.category"] = ["network", "process"]
    fields["source.ip"], fields["destination.ip"] = data.get("SourceIp"), data.get("DestinationIp")
    for path, name in (("source.port", "SourcePort"), ("destination.port", "DestinationPort")):
        port = data.get(name, "")
        fields[path] = int(port) if port.isdigit() else None
    fields["network.transport"] = data.get("Protocol", "").lower() or None
    fields["destination.domain"] = data.get("DestinationHostname")
