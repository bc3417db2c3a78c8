"""ONVIF events (Axis and others): XML ``NotificationMessage``, one or several a record.

``<wsnt:NotificationMessage><wsnt:Topic>tns1:VideoSource/GlobalSceneChange/AnalyticsService</wsnt:Topic>…
<tt:Message UtcTime="2026-10-07T21:09:26Z" PropertyOperation="Changed">…<tt:SimpleItem Name="State" Value="true"/>``
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from connectors.record import RawRecord
from normalizers.described import described
from normalizers.errors import MalformedRecordError, MissingFieldError
from normalizers.event import EcsEvent, Scalar, build_event
from normalizers.source import SourceProfile
from normalizers.timestamps import parse_iso8601

DATASET = "onvif.event"
MAX_BYTES = 1_000_000
MAX_MESSAGES = 1_000

_TOPICS = (
    ("LastClockSynchronization", "time-sync"),
    ("GlobalSceneChange", "camera-tampered"),
    ("Tampering", "camera-tampered"),
    ("ImageTooDark", "view-obstructed"),
    ("ImageTooBlurry", "view-obstructed"),
    ("SignalLoss", "camera-offline"),
    ("VideoLoss", "camera-offline"),
    ("ConnectionLost", "camera-offline"),
    ("StorageFailure", "recording-stopped"),
    ("Disruption", "recording-stopped"),
    ("ObjectAnalytics", "person-detected"),
    ("MotionAlarm", "motion-detected"),
    ("Motion", "motion-detected"),
    ("Port", "input-changed"),
    ("DigitalInput", "input-changed"),
)
_SWITCHES = ("State", "active", "tampering", "lost", "IsMotion", "LogicalState", "disruption")
_RESTORED = {
    "camera-offline": "camera-restored",
    "camera-tampered": "camera-restored",
    "recording-stopped": "camera-restored",
}


def normalize_onvif_event(record: RawRecord, source: SourceProfile) -> list[EcsEvent]:
    """Read every notification of one document."""
    if len(record.value) > MAX_BYTES:
        raise MalformedRecordError(f"is larger than {MAX_BYTES} bytes")
    try:
        root = fromstring(record.value)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as error:
        raise MalformedRecordError(f"is no acceptable XML: {error!r}"[:300]) from error
    events = list[EcsEvent]()
    for index, message in enumerate(_messages(root)):
        if index >= MAX_MESSAGES:
            raise MalformedRecordError(f"holds more than {MAX_MESSAGES} notifications")
        events.extend(_event(record, source, message, index))
    if not events and not any(True for _ in _messages(root)):
        raise MissingFieldError("NotificationMessage")
    return events


def _messages(root: Element) -> Iterator[Element]:
    return (element for element in root.iter() if _local(element) == "NotificationMessage")


def _event(record: RawRecord, source: SourceProfile, message: Element, index: int) -> list[EcsEvent]:
    topic = next(((each.text or "").strip() for each in message.iter() if _local(each) == "Topic"), "")
    body = next((each for each in message.iter() if _local(each) == "Message" and "UtcTime" in each.attrib), None)
    if body is None:
        raise MissingFieldError("UtcTime")
    items = {
        each.attrib["Name"]: each.attrib.get("Value", "")
        for each in body.iter()
        if _local(each) == "SimpleItem" and "Name" in each.attrib
    }
    action = next((action for word, action in _TOPICS if word.lower() in topic.lower()), "camera-event")
    on = _is_on(items)
    if body.attrib.get("PropertyOperation") == "Initialized" and on is not True:
        return []  # the state at the start of a subscription, and nothing is wrong
    if on is False:
        if action not in _RESTORED:
            return []
        action = _RESTORED[action]
    fields = described(action, dataset=DATASET, module="onvif", domain="physical")
    fields["event.code"] = topic or None
    camera = (
        source.host or items.get("VideoSourceConfigurationToken") or items.get("VideoSource") or items.get("Source")
    )
    fields["physical.camera.id"] = camera
    fields["onvif.items"] = list[Scalar](f"{name}={value}"[:200] for name, value in sorted(items.items())[:64])
    return [build_event(record, parse_iso8601(body.attrib["UtcTime"]), fields, index=index)]


def _is_on(items: dict[str, str]) -> bool | None:
    for name in _SWITCHES:
        if name in items:
            return items[name].lower() in {"1", "true"}
    return None


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
