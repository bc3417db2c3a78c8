"""CV-1201 and CV-1202 through the whole pipeline: records of doors and consoles, the plant's tables, alerts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.record import RawRecord
from detector.demo.setup import lay_out
from detector.duration import parse_duration
from detector.runtime.embedded.replaying import replay
from detector.settings import Settings
from detector.task import Record

MORNING = datetime(2026, 10, 20, 6, 0, tzinfo=UTC)


def _record(minutes: float, source: str, dataset: str, body: dict[str, Any]) -> Record:
    ready_ns = int((MORNING + timedelta(minutes=minutes)).timestamp() * 1e9) + 10**9
    name = f"{minutes}{source}{json.dumps(body)}"
    return Record(RawRecord(name, source, dataset, ready_ns, json.dumps(body).encode()), ready_ns)


def _stamp(minutes: float) -> str:
    return (MORNING + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def badge(minutes: float, card: str = "10041", door: str = "Main turnstile 1") -> Record:
    """A card at a door of plant A."""
    body = {
        "time": _stamp(minutes),
        "type": {"id": "20001", "name": "Access granted"},
        "source": {"name": door},
        "card": {"number": card},
        "entryAccessZone": {"name": "Plant A"},
    }
    return _record(minutes, "plant-a/pacs", "gallagher.event", body)


def logon(minutes: float, host: str, account: str = "pnovak", kind: str = "2") -> Record:
    """A logon at a machine."""
    data = {"TargetUserName": account, "TargetDomainName": "CORP", "TargetLogonId": "0x1", "LogonType": kind}
    body = {
        "@timestamp": _stamp(minutes),
        "host": {"name": host},
        "winlog": {"channel": "Security", "event_id": 4624, "computer_name": host, "event_data": data},
    }
    return _record(minutes, "plant-a/windows", "windows.security", body)


def _raised(settings: Settings, records: list[Record]) -> list[dict[str, Any]]:
    found = replay(settings, sorted(records, key=lambda each: each.ready_ns)).alerts.values()
    return [each.document for each in found]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return msgspec.structs.replace(lay_out(tmp_path)[0], durable=False)


def _of(alerts: list[dict[str, Any]], code: str) -> list[dict[str, Any]]:
    return [each for each in alerts if each["event"]["code"] == code]


def test_a_badge_in_berlin_and_a_console_in_lisbon_an_hour_later(settings: Settings) -> None:
    [alert] = _of(_raised(settings, [badge(0), logon(60, "ews-b1")]), "CV-1201")
    assert alert["message"] == (
        "Petra Novak was at Northfield works and 60 min later at Harbour works, which takes 2 h 34 min at least"
    )
    assert alert["event"]["reason"] == (
        "from Northfield works to Harbour works in 60 min; it takes 2 h 34 min at least (2,314 km at 900 km/h), "
        "the clocks leave 0.7 s of doubt"
    )
    travel = alert["convergence"]["travel"]
    assert (travel["from"], travel["to"], travel["basis"]) == ("D-A-01", "b-cr", "coordinates")
    assert (travel["elapsed_seconds"], travel["uncertainty_seconds"]) == (3600, 0.7)
    assert [each["rule"] for each in alert["convergence"]["evidence"]] == ["badge_at_a_door", "console_logon"]


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([badge(0), logon(180, "ews-b1")], id="three hours are enough"),
        pytest.param([badge(0), logon(60, "ews-b1", kind="10")], id="remote desktop"),
        pytest.param([badge(0), logon(60, "ews-01")], id="the same site"),
        pytest.param([badge(0), logon(60, "ews-b1", account="somebody")], id="somebody else"),
        pytest.param([badge(0), logon(60, "laptop-9")], id="a machine that stands nowhere"),
    ],
)
def test_what_only_looks_like_two_places(settings: Settings, records: list[Record]) -> None:
    assert _of(_raised(settings, records), "CV-1201") == []


def test_a_way_inside_a_site_counts_once_a_row_states_it(settings: Settings, tmp_path: Path) -> None:
    records = [badge(0), badge(0.5, door="Chemical store door")]
    assert _of(_raised(settings, records), "CV-1201") == []
    table = tmp_path / "context" / "locations.csv"
    lines = table.read_text().splitlines()
    lines[0] += ",travel"
    lines[1:] = [f"{line},{'D-A-12=120' if line.startswith('D-A-01,') else ''}" for line in lines[1:]]
    table.write_text("\n".join(lines) + "\n")
    settings = msgspec.structs.replace(settings, data_dir=tmp_path / "again")
    [alert] = _of(_raised(settings, records), "CV-1201")
    assert alert["convergence"]["travel"]["least_seconds"] == 120
    assert "from D-A-01 to D-A-12 in 30 s; it takes 2 min at least (a row says)" in alert["event"]["reason"]


def _watched(settings: Settings) -> Settings:
    """Return settings of plant A alone, in which its doors are expected to be heard every quarter of an hour."""
    kept = {name: each for name, each in settings.sources.items() if not name.startswith("plant-b/")}
    kept["plant-a/pacs"] = msgspec.structs.replace(kept["plant-a/pacs"], expectation=parse_duration("15m"))
    return msgspec.structs.replace(settings, sources=kept)


def _others(minutes: int) -> list[Record]:
    """Return somebody else at the doors every ten minutes."""
    return [badge(minute, card="10100") for minute in range(0, minutes, 10)]


def test_a_console_without_a_badge_before(settings: Settings) -> None:
    records = [*_others(900), logon(800, "ews-01")]
    [alert] = _of(_raised(_watched(settings), records), "CV-1202")
    assert alert["message"] == (
        "Petra Novak logged on at ews-01 in a-eng, and no badge came into plant-a in the twelve hours before"
    )
    assert alert["convergence"]["coverage"] == "full"


def test_a_badge_before_the_console_is_all_right(settings: Settings) -> None:
    records = [*_others(900), badge(700), logon(800, "ews-01")]
    assert _of(_raised(_watched(settings), records), "CV-1202") == []


def test_where_nobody_knows_whether_doors_are_heard_there_is_no_alert(settings: Settings) -> None:
    assert _of(_raised(settings, [*_others(900), logon(800, "ews-01")]), "CV-1202") == []
