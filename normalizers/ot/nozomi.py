"""Nozomi alerts, JSON and CEF.

``{"id":"6dbf93f8","name":"Program change","time":1747398906110,"ip_src":"10.30.1.12","ip_dst":"10.30.2.7",
"port_dst":102,"protocol":"s7","severity":10,"type_id":"SIGN:PROGRAM:CHANGE"}``
"""

from __future__ import annotations

from typing import Any

from connectors.record import RawRecord
from normalizers.cef import CefMessage, parse_cef
from normalizers.decoding import decode_object, text
from normalizers.described import described
from normalizers.errors import MissingFieldError
from normalizers.event import EcsEvent, Value, build_event
from normalizers.source import SourceProfile
from normalizers.timestamps import from_epoch

DATASET = "nozomi.alert"

ACTIONS = {
    "SIGN:PROGRAM:CHANGE": "program-download",
    "SIGN:PROGRAM:DOWNLOAD": "program-download",
    "SIGN:PROGRAM:UPLOAD": "program-upload",
    "SIGN:OT_DEVICE-REBOOT": "plc-start",
    "SIGN:OT_DEVICE-START": "plc-start",
    "SIGN:OT_DEVICE-STOP": "plc-stop",
    "SIGN:DEV-STATE-CHANGE": "mode-changed",
    "SIGN:FIRMWARE-CHANGE": "firmware-updated",
    "SIGN:FIRMWARE-TRANSFER": "firmware-updated",
    "SIGN:CONFIGURATION-CHANGE": "online-edit",
    "VI:NEW-NODE": "asset-discovered",
    "VI:NEW-NODE:TARGET": "asset-discovered",
}
"""Type ids of the product's alert dictionary; what is not listed is an alert of its own."""


def normalize_nozomi_alert(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Read one alert. The sensor sees addresses, never people."""
    if record.value.lstrip().startswith(b"{"):
        alert = decode_object(record.value)
        stamp = alert.get("time") or alert.get("record_created_at")
        if isinstance(stamp, bool) or not isinstance(stamp, str | int | float):
            raise MissingFieldError("time")
        return [build_event(record, from_epoch(stamp, "ms"), _fields(alert))]
    # Line breaks inside one record are the sender's.
    message = parse_cef(record.value.replace(b"\r", b"").replace(b"\n", b" "), record.received_ns, source.zone)
    return [build_event(record, message.time_ns, _fields(_of_cef(message)))]


def _of_cef(message: CefMessage) -> dict[str, Any]:
    values = message.extension
    return {
        "type_id": message.signature,
        "name": message.name,
        "severity": message.severity,
        "ip_src": values.get("src"),
        "ip_dst": values.get("dst"),
        "port_src": values.get("spt"),
        "port_dst": values.get("dpt"),
        "protocol": values.get("app"),
        "transport_protocol": values.get("proto"),
        "description": values.get("msg"),
        "id": values.get("externalId"),
    }


def _fields(alert: dict[str, Any]) -> dict[str, Value]:
    kind = text(alert.get("type_id"))
    if kind is None:
        raise MissingFieldError("type_id")
    fields = described(ACTIONS.get(kind.upper(), "ids-alert"), dataset=DATASET, module="nozomi", domain="ot")
    fields["event.kind"] = "alert"
    fields["event.code"] = kind
    fields["event.reason"] = text(alert.get("name"))
    fields["event.id"] = text(alert.get("id"))
    fields["nozomi.description"] = text(alert.get("description"))
    fields["nozomi.severity"] = _number(alert.get("severity"))
    fields["source.ip"], fields["destination.ip"] = text(alert.get("ip_src")), text(alert.get("ip_dst"))
    fields["source.port"] = _number(alert.get("port_src"))
    fields["destination.port"] = _number(alert.get("port_dst"))
    protocol = text(alert.get("protocol"))
    fields["network.protocol"] = fields["ot.protocol"] = None if protocol is None else protocol.lower()
    fields["network.transport"] = (text(alert.get("transport_protocol")) or "").lower() or None
    if fields["destination.ip"] is not None and kind.upper().startswith("SIGN:"):
        # The one that is changed is the one that is spoken to.
        fields["ot.controller.id"] = fields["destination.ip"]
    return fields


def _number(value: object) -> int | None:
    found = text(value)
    try:
        return None if found is None else int(float(found))
    except (ValueError, OverflowError):
        return None
