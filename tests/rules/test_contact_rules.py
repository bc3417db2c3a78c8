"""CV-201 and CV-303 through the whole pipeline: flows and alerts, the plant's tables, alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from detector.demo.setup import lay_out
from detector.runtime.embedded.replaying import replay
from detector.settings import Settings
from detector.task import Record
from tests.rules.test_presence_rules import MORNING, _record, _stamp

DAY = 1_440
HOST, NAME, ADDRESS = "ws-a-01", "WS-A-01", "10.10.3.1"
STATION, STRANGER = "10.30.1.11", "10.30.9.99"


def flow(minutes: float, source: str, destination: str = STATION, port: int = 445) -> Record:
    """A connection that the sensor of plant A saw."""
    seconds = MORNING.timestamp() + minutes * 60
    ends = {"id.orig_h": source, "id.orig_p": 50_123, "id.resp_h": destination, "id.resp_p": port}
    return _record(minutes, "plant-a/zeek", "zeek.conn", {"ts": seconds, "proto": "tcp", **ends})


def malware(minutes: float, host: str) -> Record:
    """Defender found something."""
    channel = "Microsoft-Windows-Windows Defender/Operational"
    log = {"channel": channel, "event_id": 1116, "computer_name": host, "event_data": {"Threat Name": "EICAR"}}
    body: dict[str, Any] = {"@timestamp": _stamp(minutes), "host": {"name": host}, "winlog": log}
    return _record(minutes, "plant-a/windows", "windows.event", body)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return msgspec.structs.replace(lay_out(tmp_path)[0], durable=False)


def _messages(settings: Settings, records: list[Record], code: str) -> list[str]:
    found = replay(settings, sorted(records, key=lambda each: each.ready_ns)).alerts.values()
    documents = [each.document for each in found]
    return [str(each["message"]) for each in documents if each["event"]["code"] == code]


def test_a_stranger_in_the_control_network(settings: Settings) -> None:
    records = [flow(0, STRANGER), flow(60, STRANGER, port=502), flow(70, "10.30.2.7"), flow(80, "10.10.9.99")]
    said = f"{STRANGER} is no known asset and spoke in ot-control-a, to EWS-01 on port 502"
    assert _messages(settings, records, "CV-201") == [said]


def test_a_host_with_malware_reaches_a_station_that_it_never_reached(settings: Settings) -> None:
    begin, later = flow(0, "10.40.0.10"), 15 * DAY
    reached = [begin, malware(later, HOST), flow(later + 60, ADDRESS)]
    (message,) = _messages(settings, reached, "CV-303")
    assert message == f"{NAME}, on which an alert was raised, made its first contact with OT: EWS-01"
    elsewhere = msgspec.structs.replace(settings, data_dir=settings.data_dir.with_name("again"))
    assert _messages(elsewhere, [begin, flow(later - DAY, ADDRESS), *reached[1:]], "CV-303") == []
