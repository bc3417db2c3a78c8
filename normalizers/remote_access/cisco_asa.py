"""Cisco ASA and AnyConnect through syslog: VPN sessions, logon failures, connections.

``%ASA-6-113039: Group <STAFF> User <pnovak> IP <198.51.100.7> AnyConnect parent session started.``
(Cisco Secure Firewall ASA Series Syslog Messages)
"""

from __future__ import annotations

import re

from connectors.record import RawRecord
from normalizers.described import Outcome, described
from normalizers.errors import BadTimestampError, MalformedRecordError
from normalizers.event import EcsEvent, Value, build_event
from normalizers.source import SourceProfile
from normalizers.syslog import parse_syslog

DATASET = "cisco.asa"

_TAG = re.compile(r"%(?:ASA|FTD)-(?:\w+-)?(?P<severity>\d)-(?P<code>\d{6}): ?(?P<text>.*)", re.DOTALL)
_SESSION = re.compile(r"Group <(?P<group>[^>]*)> User <(?P<user>[^>]*)> IP <(?P<ip>[^>]*)>")
_CLOSED = re.compile(
    r"Group = (?P<group>[^,]*), Username = (?P<user>[^,]*), IP = (?P<ip>[^,]*), Session disconnected\..*?"
    r"(?:Reason: (?P<reason>.*))?$",
    re.DOTALL,
)
_ASSIGNED = re.compile(r"IPv4 Address <(?P<address>[^>]*)>")
_REJECTED = re.compile(r"user = (?P<user>\S+)(?: : user IP = (?P<ip>\S+))?", re.IGNORECASE)
_BUILT = re.compile(
    r"(?P<direction>Built inbound|Built outbound) (?P<transport>TCP|UDP) connection \d+ for \S+?:(?P<from_ip>[\d.]+)/"
    r"(?P<from_port>\d+).*? to \S+?:(?P<to_ip>[\d.]+)/(?P<to_port>\d+)"
)
_CODES: dict[str, tuple[str, Outcome | None]] = {
    "113039": ("vpn-session-start", None),
    "722022": ("session-established", "success"),
    "722051": ("address-assigned", "success"),
    "113019": ("vpn-session-end", None),
    "722023": ("session-transport-end", None),
    "113005": ("logon-failed", None),
    "113015": ("logon-failed", None),
    "302013": ("network-connection", "success"),
    "302015": ("network-connection", "success"),
}


def normalize_cisco_asa(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Read one message; messages of other numbers are understood and dropped."""
    message = parse_syslog(record.value, record.received_ns, source.zone)
    found = _TAG.search(record.value[:8_192].decode("utf-8", "replace"))
    if found is None:
        raise MalformedRecordError("has no %ASA-…: tag")
    code, body = found["code"], found["text"].strip()
    if code not in _CODES:
        return []
    if message.time_ns is None:
        raise BadTimestampError(record.value[:40].decode("utf-8", "replace"), "a syslog time; set `logging timestamp`")
    action, outcome = _CODES[code]
    fields = described(action, dataset=DATASET, module="cisco_asa", domain="it", outcome=outcome)
    fields["event.code"] = code
    fields["observer.name"] = (message.host or source.host or "").lower() or None
    _add(fields, code, body)
    return [build_event(record, message.time_ns, fields)]


def _add(fields: dict[str, Value], code: str, body: str) -> None:
    found = _SESSION.search(body) or _CLOSED.search(body) or _REJECTED.search(body)
    if code in {"302013", "302015"}:
        built = _BUILT.search(body)
        if built is None:
            raise MalformedRecordError(f"%ASA-{code} is not of its layout")
        ends = [(built["from_ip"], built["from_port"]), (built["to_ip"], built["to_port"])]
        if built["direction"] == "Built outbound":
            ends.reverse()
        (fields["source.ip"], source_port), (fields["destination.ip"], destination_port) = ends
        fields["source.port"], fields["destination.port"] = int(source_port), int(destination_port)
        fields["network.transport"] = built["transport"].lower()
        return
    if found is None:
        raise MalformedRecordError(f"%ASA-{code} is not of its layout")
    parts = found.groupdict()
    fields["user.name"] = parts["user"]
    fields["source.ip"] = parts.get("ip")
    fields["cisco.asa.group"] = parts.get("group")
    fields["event.reason"] = (parts.get("reason") or "").strip() or None
    fields["convergence.session.id"] = f"{parts['user']}@{parts.get('ip')}"
    assigned = _ASSIGNED.search(body)
    if assigned is not None:
        fields["client.nat.ip"] = assigned["address"]
