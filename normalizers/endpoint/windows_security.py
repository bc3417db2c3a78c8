"""Windows Security log: logons, special privileges, processes, accounts, time and log changes.

Source: Winlogbeat 8 (``winlog.event_id`` 4624, 4625, 4634, 4647, 4648, 4663, 4672, 4688, 4720, 4728, 4732, 4616, 1102).
"""

from __future__ import annotations

from connectors.record import RawRecord
from normalizers.described import described
from normalizers.endpoint.winlogbeat import WindowsEvent, read_windows_event
from normalizers.event import EcsEvent, Value, build_event
from normalizers.source import SourceProfile

DATASET = "windows.security"

ACTIONS = {
    4624: "logged-in",
    4625: "logon-failed",
    4634: "session-end",
    4647: "session-end",
    4648: "credential-used",
    4663: "file-accessed",
    4672: "privileges-assigned",
    4688: "process-started",
    4720: "account-created",
    4728: "group-member-added",
    4732: "group-member-added",
    4616: "time-sync",
    1102: "log-cleared",
}

LOGON_TYPES = {
    "2": "Interactive",
    "3": "Network",
    "4": "Batch",
    "5": "Service",
    "7": "Unlock",
    "8": "NetworkCleartext",
    "9": "NewCredentials",
    "10": "RemoteInteractive",
    "11": "CachedInteractive",
}
_ABOUT_TARGET = frozenset({4624, 4625, 4634, 4647})
"""Events whose target is the one who acts: he logs on."""

_ADMINISTRATION = frozenset({4720, 4728, 4732})


def normalize_windows_security(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Read one event; ids that are not listed become events without a canonical action."""
    event = read_windows_event(record, source)
    action = ACTIONS.get(event.code, f"security-{event.code}")
    fields = described(action, dataset=DATASET, module="windows", domain="it")
    fields |= event.fields()
    data = event.data
    if event.code in _ABOUT_TARGET:
        _set_user(fields, data, "user", "TargetUserName", "TargetDomainName")
        _add_session(fields, event)
    else:
        _set_user(fields, data, "user", "SubjectUserName", "SubjectDomainName")
    if event.code in _ADMINISTRATION or event.code == 4648:
        _set_user(fields, data, "user.target", "TargetUserName", "TargetDomainName")
    if event.code in {4728, 4732}:
        fields["group.name"] = data.get("TargetUserName")
        fields["user.target.name"] = data.get("MemberName") or data.get("MemberSid")
    if event.code == 4688:
        _add_process(fields, data)
    if event.code == 4663:
        add_file(fields, data.get("ObjectName"))
    _add_source(fields, data)
    return [build_event(record, event.time_ns, fields)]


def add_file(fields: dict[str, Value], path: str | None) -> None:
    """Add a path and its last part."""
    if path is not None:
        fields["file.path"] = path
        fields["file.name"] = path.rpartition("\\")[2]
        fields["file.extension"] = path.rpartition("\\")[2].rpartition(".")[2].lower() if "." in path else None


def _set_user(fields: dict[str, Value], data: dict[str, str], prefix: str, name: str, domain: str) -> None:
    fields[f"{prefix}.name"] = data.get(name)
    fields[f"{prefix}.domain"] = data.get(domain)


def _add_session(fields: dict[str, Value], event: WindowsEvent) -> None:
    kind = event.data.get("LogonType")
    if kind is not None:
        fields["winlog.logon.type"] = LOGON_TYPES.get(kind, kind)
        if kind.isdigit():
            fields["winlog.event_data.LogonType"] = int(kind)
    logon_id = event.data.get("TargetLogonId")
    if logon_id is not None:
        # A logon id is unique on its host only, until the next start.
        fields["convergence.session.id"] = f"{event.host}\\{logon_id.lower()}"


def _add_process(fields: dict[str, Value], data: dict[str, str]) -> None:
    executable = data.get("NewProcessName")
    if executable is not None:
        fields["process.executable"] = executable
        fields["process.name"] = executable.rpartition("\\")[2]
    fields["process.command_line"] = data.get("CommandLine")
    fields["process.parent.executable"] = data.get("ParentProcessName")
    fields["process.integrity_level"] = data.get("MandatoryLabel")
    fields["winlog.logon.id"] = data.get("SubjectLogonId")


def _add_source(fields: dict[str, Value], data: dict[str, str]) -> None:
    address = data.get("IpAddress")
    if address is not None:
        fields["source.ip"] = address.removeprefix("::ffff:")
    port = data.get("IpPort")
    if port is not None and port.isdigit() and int(port):
        fields["source.port"] = int(port)
    fields["source.domain"] = data.get("WorkstationName")
