"""Common Event Format of any product, as far as the standard's own keys tell."""

from __future__ import annotations

import re

from connectors.record import RawRecord
from normalizers.cef import parse_cef
from normalizers.described import described
from normalizers.event import EcsEvent, Value, build_event
from normalizers.source import SourceProfile

DATASET = "cef.event"

_FIELDS = {
    "src": "source.ip",
    "dst": "destination.ip",
    "shost": "source.domain",
    "dhost": "destination.domain",
    "suser": "user.name",
    "duser": "user.target.name",
    "dvchost": "observer.name",
    "fname": "file.name",
    "filePath": "file.path",
    "proto": "network.transport",
    "app": "network.protocol",
    "msg": "event.reason",
    "externalId": "event.id",
    "request": "url.original",
}
_NUMBERS = {"spt": "source.port", "dpt": "destination.port"}


def normalize_cef_event(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Read one message of any product."""
    message = parse_cef(record.value, record.received_ns, source.zone)
    action = re.sub(r"[^a-z0-9]+", "-", message.name.lower()).strip("-")[:80] or "event"
    module = re.sub(r"[^a-z0-9]+", "_", message.vendor.lower()).strip("_")[:40] or "cef"
    fields = described(action, dataset=DATASET, module=module, domain="it")
    fields["event.code"] = message.signature
    fields["event.severity"] = _number(message.severity)
    fields["observer.vendor"], fields["observer.product"] = message.vendor, message.product
    fields["observer.version"] = message.version or None
    fields["observer.name"] = message.host
    _add(fields, message.extension)
    return [build_event(record, message.time_ns, fields)]


def _add(fields: dict[str, Value], extension: dict[str, str]) -> None:
    for key, value in extension.items():
        if key in _FIELDS:
            fields[_FIELDS[key]] = value
        elif key in _NUMBERS:
            fields[_NUMBERS[key]] = _number(value)
        fields[f"cef.extension.{key}"] = value
    outcome = extension.get("outcome", "").lower()
    if outcome in {"success", "failure"}:
        fields["event.outcome"] = outcome


def _number(value: str) -> int | None:
    return int(value) if value.isdigit() and len(value) < 10 else None
