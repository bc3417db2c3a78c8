"""Windows events of any channel, in three layouts: Winlogbeat's, NXLog's flat one, and Windows' own as JSON.

::

    {"@timestamp":"…","winlog":{"channel":"Security","event_id":4624,"computer_name":"dc","event_data":{…}}}
    {"@timestamp":"…","Channel":"Security","EventID":4624,"Hostname":"dc","TargetUserName":"ada",…}
    {"Event":{"System":{"EventID":4624,"Channel":"Security","Computer":"dc","TimeCreated":{…}},"EventData":{…}}}

The third is what evtx_dump, Chainsaw and Hayabusa make of an .evtx file.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from connectors.record import RawRecord
from normalizers.decoding import MAX_TEXT, decode_object, text
from normalizers.errors import BadTimestampError, MissingFieldError
from normalizers.event import Scalar, Value
from normalizers.source import SourceProfile
from normalizers.timestamps import parse_iso8601

UNSET = frozenset({"-", "", "%%1793", "n/a"})
"""What Windows writes where there is nothing."""

MAX_DATA = 200
"""Fields of one event; the largest of Windows' own have below 50."""

MAX_DEPTH = 8
"""Objects below each other in UserData."""

MAX_DIGITS = 18
"""Of a record number: it is a long in ECS."""

_ATTRIBUTES = frozenset("@#")
"""What names of attributes begin with where XML was made JSON."""

_NOT_DATA = frozenset(
    {
        "Channel", "EventID", "EventReceivedTime", "EventTime", "Hostname", "Message", "SourceModuleName",
        "SourceModuleType", "SourceName", "TimeCreated", "host", "port", "tags", "type",
    }
)  # fmt: skip
"""What NXLog writes beside an event's data."""


class WindowsEvent(msgspec.Struct, frozen=True):
    """One event.

    Attributes:
        code: Event id.
        channel: Such as ``Security``.
        provider: Such as ``Microsoft-Windows-Sysmon``; empty when not stated.
        host: Computer, lower case.
        time_ns: When it was written.
        number: Its record number in the channel; None when not sent.
        message: The event in words; empty when not sent.
        given: Event data as it came, unset values too: rules ask for them (``IpAddress: '-'``).
        data: Event data as texts, unset values left out.
    """

    code: int
    channel: str
    provider: str
    host: str
    time_ns: int
    number: int | None
    message: str
    given: dict[str, Value]
    data: dict[str, str]

    def fields(self) -> dict[str, Value]:
        """Return the fields that every Windows event has."""
        return {
            "host.name": self.host,
            "event.code": str(self.code),
            "event.provider": self.provider or None,
            "event.sequence": self.number,
            "convergence.feed.journal": None if self.number is None else f"{self.host}/{self.channel}",
            "winlog.channel": self.channel,
            "winlog.provider_name": self.provider or None,
            "winlog.event_id": self.code,
            **{f"winlog.event_data.{name}": value for name, value in self.given.items()},
        }


class _Layout(msgspec.Struct, frozen=True):
    code: object
    channel: object
    provider: object
    host: object
    stamp: object
    number: object
    message: object
    data: dict[str, Any]


def read_windows_event(record: RawRecord, source: SourceProfile) -> WindowsEvent:
    """Read any of the layouts.

    Raises:
        NormalizerError: No event id, host or time.
    """
    layout = _layout(decode_object(record.value))
    number = text(layout.code)
    if number is None or not number.isdigit() or len(number) > 6:
        raise MissingFieldError("winlog.event_id")
    name = text(layout.host) or source.host
    if name is None:
        raise MissingFieldError("host.name")
    if not isinstance(layout.stamp, str):
        raise BadTimestampError(layout.stamp, "an ISO 8601 time in @timestamp")
    given = _given(layout.data)
    return WindowsEvent(
        code=int(number),
        channel=text(layout.channel) or "",
        provider=text(layout.provider) or "",
        host=name.lower(),
        time_ns=parse_iso8601(layout.stamp, source.zone),
        number=_number(layout.number),
        message=text(layout.message) or "",
        given=given,
        data={key: value for key, each in given.items() if (value := _text(each)) is not None and value not in UNSET},
    )


def _number(value: object) -> int | None:
    written = text(value) or ""
    return int(written) if written.isdecimal() and len(written) <= MAX_DIGITS else None


def _layout(content: dict[str, Any]) -> _Layout:
    winlog, event = content.get("winlog"), content.get("Event")
    if isinstance(winlog, dict):
        return _Layout(
            code=winlog.get("event_id"),
            channel=winlog.get("channel"),
            provider=winlog.get("provider_name"),
            host=winlog.get("computer_name") or _at(content, "host", "name"),
            stamp=content.get("@timestamp"),
            number=winlog.get("record_id"),
            message=content.get("message"),
            data=_object(winlog.get("event_data")) | _object(winlog.get("user_data")),
        )
    if isinstance(event, dict):
        return _own_layout(_object(event.get("System")), event)
    return _Layout(
        code=content.get("EventID"),
        channel=content.get("Channel"),
        provider=content.get("SourceName"),
        host=content.get("Hostname"),
        stamp=content.get("@timestamp") or content.get("EventTime") or content.get("UtcTime"),
        number=content.get("RecordNumber"),
        message=content.get("Message"),
        data={key: value for key, value in content.items() if key not in _NOT_DATA},
    )


def _own_layout(system: dict[str, Any], event: dict[str, Any]) -> _Layout:
    code = system.get("EventID")
    return _Layout(
        code=code.get("#text") if isinstance(code, dict) else code,
        channel=system.get("Channel"),
        provider=_attribute(system, "Provider", "Name"),
        host=system.get("Computer"),
        stamp=_attribute(system, "TimeCreated", "SystemTime"),
        number=system.get("EventRecordID"),
        message=None,
        data=dict(_leaves({key: event.get(key) for key in ("EventData", "UserData")}, 0)),
    )


def _leaves(content: dict[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the data of an event, however its provider nests it; attributes are not data."""
    for name, value in content.items():
        if not isinstance(value, dict):
            yield name, value
        elif "#text" in value:
            yield name, value["#text"]
        elif name != "#attributes" and depth < MAX_DEPTH:
            yield from _leaves(value, depth + 1)


def _given(data: dict[str, Any]) -> dict[str, Value]:
    given: dict[str, Value] = {}
    for name, value in islice(data.items(), MAX_DATA):
        # Sigma's names have no spaces where Windows' have: "Threat Name" is ThreatName.
        key = name.replace(" ", "")
        if key[:1] in _ATTRIBUTES:
            continue
        if isinstance(value, list):
            given[key] = [_scalar(each) for each in value[:MAX_DATA]]
        elif value is not None and not isinstance(value, dict):
            given[key] = _scalar(value)
    return given


def _scalar(value: object) -> Scalar:
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:MAX_TEXT]


def _text(value: Value) -> str | None:
    return value.strip() if isinstance(value, str) else None


def _attribute(system: dict[str, Any], element: str, name: str) -> object:
    found = _object(system.get(element))
    return _object(found.get("#attributes")).get(name) or found.get(f"@{name}") or found.get(name)


def _at(content: dict[str, Any], outer: str, inner: str) -> object:
    return _object(content.get(outer)).get(inner)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
