"""Windows events as Winlogbeat sends them, and the flat layout of NXLog: one shape for all channels."""

from __future__ import annotations

from typing import Any

import msgspec

from connectors.record import RawRecord
from normalizers.decoding import decode_object, text
from normalizers.errors import BadTimestampError, MissingFieldError
from normalizers.event import Value
from normalizers.source import SourceProfile
from normalizers.timestamps import parse_iso8601

UNSET = frozenset({"-", "", "%%1793", "n/a"})


class WindowsEvent(msgspec.Struct, frozen=True):
    """One event.

    Attributes:
        code: Event id.
        channel: Such as ``Security``.
        host: Computer, lower case.
        time_ns: When it was written.
        data: `event_data` as texts, unset values left out.
    """

    code: int
    channel: str
    host: str
    time_ns: int
    data: dict[str, str]

    def fields(self) -> dict[str, Value]:
        """Return the fields that every Windows event has."""
        return {
            "host.name": self.host,
            "event.code": str(self.code),
            "winlog.channel": self.channel,
            "winlog.event_id": self.code,
            **{f"winlog.event_data.{name}": value for name, value in self.data.items()},
        }


def read_windows_event(record: RawRecord, source: SourceProfile) -> WindowsEvent:
    """Read either layout.

    Raises:
        NormalizerError: No event id, host or time.
    """
    content = decode_object(record.value)
    winlog = content.get("winlog")
    if isinstance(winlog, dict):
        data = winlog.get("event_data")
        code, channel = winlog.get("event_id"), winlog.get("channel")
        host = winlog.get("computer_name") or _nested(content, "host", "name")
        body = data if isinstance(data, dict) else {}
    else:
        code, channel, host = content.get("EventID"), content.get("Channel"), content.get("Hostname")
        body = content
    number = text(code)
    if number is None or not number.isdigit() or len(number) > 6:
        raise MissingFieldError("winlog.event_id")
    name = text(host) or source.host
    if name is None:
        raise MissingFieldError("host.name")
    return WindowsEvent(
        code=int(number),
        channel=text(channel) or "",
        host=name.lower(),
        time_ns=_time(content, body, source),
        data={
            str(key): value
            for key, each in list(body.items())[:200]
            if (value := text(each)) is not None and value not in UNSET and not str(key).startswith("@")
        },
    )


def _time(content: dict[str, Any], body: dict[str, Any], source: SourceProfile) -> int:
    stamp = content.get("@timestamp") or content.get("EventTime") or body.get("UtcTime")
    if not isinstance(stamp, str):
        raise BadTimestampError(stamp, "an ISO 8601 time in @timestamp")
    return parse_iso8601(stamp, source.zone)


def _nested(content: dict[str, Any], outer: str, inner: str) -> object:
    value = content.get(outer)
    return value.get(inner) if isinstance(value, dict) else None
