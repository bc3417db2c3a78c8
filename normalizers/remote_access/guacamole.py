"""Apache Guacamole: the web application's log and guacd's, through syslog.

``User "v-kuhn" connected to connection "JH-OT-01".`` and ``… disconnected from connection "JH-OT-01". Duration: 5
milliseconds`` (TunnelRequestService); ``Recording of session will be saved to "…/20261020-011205-v-kuhn-JH-OT-01".``
(guacd).

The web application's lines carry no session id and guacd's name neither user nor connection. Both are joined when the
connection's recording name is ``${GUAC_DATE}-${GUAC_TIME}-${GUAC_USERNAME}-<connection>``: the session id is
``<site>/<user>-<connection>``, which both lines hold without anyone having to know where the user's name ends. Two
sessions of one user on one connection at once cannot be told apart.
"""

from __future__ import annotations

import re

from connectors.record import RawRecord
from normalizers.described import described
from normalizers.errors import BadTimestampError
from normalizers.event import EcsEvent, Value, build_event
from normalizers.source import SourceProfile
from normalizers.syslog import parse_syslog

DATASET = "guacamole.session"

_CONNECTED = re.compile(
    r'User "(?P<user>[^"]{1,255})" connected to (?P<kind>[\w ]{1,40}) "(?P<connection>[^"]{1,255})"'
)
_DISCONNECTED = re.compile(
    r'User "(?P<user>[^"]{1,255})" disconnected from (?P<kind>[\w ]{1,40}) "(?P<connection>[^"]{1,255})"\.?'
    r"(?: Duration: (?P<duration>\d{1,15}) milliseconds)?"
)
_AUTHENTICATED = re.compile(r'User "(?P<user>[^"]{1,255})" successfully authenticated from (?P<address>[^\s]{1,255})')
_FAILED = re.compile(r'Authentication attempt from (?P<address>.{1,255}?) for user "(?P<user>[^"]{1,255})"')
_RECORDING = re.compile(r'Recording of session will be saved to "(?P<path>[^"]{1,1000})"')
_RECORDING_NAME = re.compile(r"\d{8}-\d{6}-(?P<rest>.+)")
_ADDRESS = re.compile(r"[0-9a-fA-F:.]{3,45}")


def normalize_guacamole_session(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Read one line; lines about neither sessions nor logons are understood and dropped."""
    message = parse_syslog(record.value, record.received_ns, source.zone)
    if message.time_ns is None:
        raise BadTimestampError(record.value[:40].decode("utf-8", "replace"), "a syslog time")
    fields = _fields(message.message[:4_000])
    if fields is None:
        return []
    fields["observer.name"] = (message.host or source.host or "").lower() or None
    fields["process.name"] = message.app
    if "convergence.session.id" in fields:
        fields["convergence.session.id"] = f"{source.site or source.id}/{fields['convergence.session.id']}".lower()
    return [build_event(record, message.time_ns, fields)]


def _fields(line: str) -> dict[str, Value] | None:
    if found := _CONNECTED.search(line):
        return _session("session-start", found["user"], found["connection"])
    if found := _DISCONNECTED.search(line):
        fields = _session("session-end", found["user"], found["connection"])
        if found["duration"]:
            fields["event.duration"] = int(found["duration"]) * 1_000_000
        return fields
    if found := _RECORDING.search(line):
        return _recording(found["path"])
    if found := _AUTHENTICATED.search(line):
        return _logon("logged-in", found["user"], found["address"])
    if found := _FAILED.search(line):
        return _logon("logon-failed", found["user"], found["address"])
    return None


def _session(action: str, user: str, connection: str) -> dict[str, Value]:
    fields = described(action, dataset=DATASET, module="guacamole", domain="it")
    fields["user.name"] = user
    fields["convergence.session.id"] = f"{user}-{connection}"
    fields["convergence.session.target"] = connection
    return fields


def _recording(path: str) -> dict[str, Value]:
    fields = described("recording-started", dataset=DATASET, module="guacamole", domain="it")
    fields["file.path"] = path
    name = path.rpartition("/")[2]
    found = _RECORDING_NAME.fullmatch(name)
    if found is not None:
        fields["convergence.session.id"] = found["rest"]
    return fields


def _logon(action: str, user: str, address: str) -> dict[str, Value]:
    fields = described(action, dataset=DATASET, module="guacamole", domain="it")
    fields["user.name"] = user
    found = _ADDRESS.search(address)
    fields["source.ip"] = found[0] if found else None
    return fields
