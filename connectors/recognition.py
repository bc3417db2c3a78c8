"""Which dataset a record is of, by what it looks like: used when the settings do not say.

The order matters: a marker that only one product writes comes before one that several share. Nothing is parsed; a
wrong guess ends as a dead letter that names the dataset, and `dataset` in the settings ends the guessing.
"""

from __future__ import annotations

import re

HEAD = 4_096
"""Bytes looked at."""

_RECOGNISERS: tuple[tuple[str, re.Pattern[bytes]], ...] = tuple(
    (dataset, re.compile(pattern, re.DOTALL))
    for dataset, pattern in (
        # XML, and JSON that wraps it.
        ("cyberark.psm", rb"<syslog\b.*<audit_record|<audit_record|\"raw\"\s*:\s*\"<syslog"),
        ("onvif.event", rb"<[\w:]*NotificationMessage\b|<tt:MetadataStream"),
        # Lines.
        ("nozomi.alert", rb"CEF:\d\|Nozomi Networks"),
        ("cef.event", rb"CEF:\d\|"),
        ("cisco.asa", rb"%(?:ASA|FTD)-(?:\w+-)?\d-\d{6}"),
        ("guacamole.session", rb"guacd\[|guacd:|o\.a\.g\.|org\.apache\.guacamole|(?:guacamole|tomcat\d*)(?:\[\d+\])?:"),
        ("linux.auth", rb"^(?:<\d+>)?[^{]*\b(?:sshd|sudo|su|login|systemd-logind)(?:\[\d+\])?:"),
        # JSON, told by keys that no other product has together.
        ("context.marker", rb"^\s*\{.*\"current_to\"\s*:"),
        ("windows.sysmon", rb"Microsoft-Windows-Sysmon"),
        ("windows.security", rb"\"[Cc]hannel\"\s*:\s*\"Security\""),
        ("windows.system", rb"\"[Cc]hannel\"\s*:\s*\"System\""),
        ("windows.event", rb"\"winlog\"\s*:\s*\{|\"EventID\"\s*:.*\"Channel\"\s*:|\"Channel\"\s*:.*\"EventID\"\s*:"),
        ("uhppote.event", rb"\"event-type\"\s*:|\"event-reason\"\s*:"),
        ("onguard.event", rb"(?i)\"?evdescr\"?\s*[:=]"),
        ("unifi.protect", rb"\"modelKey\"\s*:\s*\"event\""),
        ("frigate.event", rb"\"after\"\s*:\s*\{.*\"camera\"\s*:"),
        ("frigate.event", rb"\"available\"\s*:.*\"camera\"\s*:|\"camera\"\s*:.*\"available\"\s*:"),
        ("servicenow.change", rb"\"sysapproval\"\s*:|\"ci_item\"\s*:|\"number\"\s*:\s*\"CHG"),
        ("servicenow.change", rb"\"sys_class_name\"\s*:\s*\"change_request\""),
        ("nozomi.alert", rb"\"type_id\"\s*:"),
        ("zeek.s7comm", rb"\"rosctr|\"id\.orig_h\".*\"(?:opcode_name|function_name)\"\s*:"),
        ("zeek.modbus", rb"\"id\.orig_h\".*\"func\"\s*:"),
        ("zeek.conn", rb"\"id\.orig_h\".*\"(?:conn_state|proto)\"\s*:"),
        ("gallagher.event", rb"/api/events/\d"),
        (
            "gallagher.event",
            rb"\"type\"\s*:\s*\{[^}]*\"id\"\s*:.*\"(?:source|cardholder|message|operator|modifiedItem)\"\s*:",
        ),
        ("hr.person", rb"(?i)\"(?:person_id|employee_id)\"\s*:.*\"status\"\s*:"),
        ("ecs.event", rb"\"@timestamp\"\s*:"),
    )
)  # fmt: skip


def recognise(value: bytes) -> str | None:
    """Return the dataset that a record looks like; None when nothing fits."""
    head = value[:HEAD]
    for dataset, pattern in _RECOGNISERS:
        if pattern.search(head) is not None:
            return dataset
    return None
