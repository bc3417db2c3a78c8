"""CyberArk Privileged Session Manager: the vault's XML syslog, bare or in the ``raw`` of its JSON format.

Messages 300 (connect), 302 (disconnect), 304 (recording uploaded), 295 (password retrieved), 7 and 8 (logon, logoff),
4 (authentication failure). ``ExtraDetails`` carries SessionID, DstHost, SrcHost. A recording's upload follows the
session: it proves that there is one, never that it started in time.
"""

from __future__ import annotations

from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from connectors.record import RawRecord
from normalizers.decoding import decode_object, text
from normalizers.described import described
from normalizers.errors import MalformedRecordError, MissingFieldError
from normalizers.event import EcsEvent, build_event
from normalizers.source import SourceProfile
from normalizers.timestamps import parse_iso8601

DATASET = "cyberark.psm"
MAX_BYTES = 1_000_000

ACTIONS = {
    "300": "session-start",
    "302": "session-end",
    "304": "recording-uploaded",
    "295": "secret-retrieved",
    "7": "logged-in",
    "8": "session-end",
    "4": "logon-failed",
    "359": "sql-command",
    "361": "keystrokes-recorded",
    "411": "window-title-recorded",
    "412": "keystrokes-recorded",
}


def normalize_cyberark_psm(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Read one message."""
    values = _values(_xml(record.value))
    number = values.get("MessageID")
    if number is None:
        raise MissingFieldError("MessageID")
    stamp = values.get("IsoTimestamp") or values.get("Timestamp")
    if stamp is None:
        raise MissingFieldError("IsoTimestamp")
    extra = _pairs(values.get("ExtraDetails", ""))
    fields = described(ACTIONS.get(number, f"psm-{number}"), dataset=DATASET, module="cyberark", domain="it")
    fields["event.code"] = number
    fields["event.reason"] = values.get("Desc")
    fields["user.name"] = values.get("Issuer")
    fields["user.target.name"] = extra.get("User") or values.get("TargetUser") or None
    fields["source.ip"] = extra.get("SrcHost") or values.get("Station")
    fields["destination.domain"] = extra.get("DstHost") or None
    fields["convergence.session.target"] = extra.get("DstHost") or None
    fields["convergence.session.id"] = extra.get("SessionID") or None
    fields["network.protocol"] = extra.get("Protocol", "").lower() or None
    fields["cyberark.safe"] = values.get("Safe")
    fields["observer.name"] = (values.get("Hostname") or extra.get("PSMID") or "").lower() or None
    return [build_event(record, parse_iso8601(stamp, source.zone), fields)]


def _xml(value: bytes) -> str:
    if len(value) > MAX_BYTES:
        raise MalformedRecordError(f"is larger than {MAX_BYTES} bytes")
    if value.lstrip().startswith(b"{"):
        raw = text(decode_object(value).get("raw"))
        if raw is None:
            raise MissingFieldError("raw")
        return raw
    return value.decode("utf-8", "replace")


def _values(content: str) -> dict[str, str]:
    start = content.find("<syslog")
    try:
        root = fromstring(content[max(start, 0) :])
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as error:
        raise MalformedRecordError(f"is no acceptable XML: {error!r}"[:300]) from error
    values = dict[str, str]()
    for element in root.iter():
        value = (element.text or "").strip()
        if value:
            values.setdefault(str(element.tag), value)
    return values


def _pairs(details: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in details.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}
