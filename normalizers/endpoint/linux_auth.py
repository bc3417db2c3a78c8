"""Linux authentication through syslog: sshd, sudo, su and PAM sessions.

``Dec 10 06:55:46 LabSZ sshd[24200]: Invalid user webmaster from 173.234.31.186``
"""

from __future__ import annotations

import re

from connectors.record import RawRecord
from normalizers.described import Outcome, described
from normalizers.errors import BadTimestampError
from normalizers.event import EcsEvent, build_event
from normalizers.source import SourceProfile
from normalizers.syslog import parse_syslog

DATASET = "linux.auth"

_FROM = r"from (?P<ip>\S+) port (?P<port>\d+)"
_PATTERNS: tuple[tuple[str, str, Outcome | None], ...] = (
    (r"Accepted (?P<method>\S+) for (?P<user>\S+) " + _FROM, "logged-in", None),
    (r"Failed (?P<method>\S+) for (?:invalid user )?(?P<user>\S*) " + _FROM, "logon-failed", None),
    (r"Invalid user (?P<user>\S*) from (?P<ip>\S+)(?: port (?P<port>\d+))?", "logon-failed", None),
    (r"Disconnected from (?:\w+ )?user (?P<user>\S+) (?P<ip>\S+) port (?P<port>\d+)", "session-end", None),
    (r"Received disconnect from (?P<ip>\S+)(?: port (?P<port>\d+))?", "session-end", None),
    (r"pam_unix\(\S+:session\): session opened for user (?P<user>[^\s(]+)", "session-start", None),
    (r"pam_unix\(\S+:session\): session closed for user (?P<user>[^\s(]+)", "session-end", None),
    (r"authentication failure;.*?(?:rhost=(?P<ip>[^\s]*))?\s+user=(?P<user>\S+)", "logon-failed", None),
    (r"^\s*(?P<user>\S+) : .*USER=(?P<target>\S+) ; COMMAND=(?P<command>.*)$", "process-started", "success"),
    (r"\(to (?P<target>\S+)\) (?P<user>\S+) on ", "credential-used", None),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), action, outcome) for pattern, action, outcome in _PATTERNS)


def normalize_linux_auth(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Read one line; lines that say nothing about a logon are understood and dropped."""
    message = parse_syslog(record.value, record.received_ns, source.zone)
    if message.time_ns is None:
        raise BadTimestampError(record.value[:40].decode("utf-8", "replace"), "a syslog time")
    for pattern, action, outcome in _COMPILED:
        found = pattern.search(message.message[:4_000])
        if found is None:
            continue
        parts = found.groupdict()
        fields = described(action, dataset=DATASET, module="linux", domain="it", outcome=outcome)
        fields["host.name"] = (message.host or source.host or "").lower() or None
        fields["process.name"] = message.app
        fields["process.pid"] = message.pid
        fields["user.name"] = parts.get("user") or None
        fields["user.target.name"] = parts.get("target")
        fields["source.ip"] = parts.get("ip") or None
        fields["source.port"] = int(port) if (port := parts.get("port")) else None
        fields["process.command_line"] = parts.get("command")
        fields["message"] = message.message[:4_000]
        return [build_event(record, message.time_ns, fields)]
    return []
