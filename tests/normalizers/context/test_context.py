"""Context: faults with their place, bitemporal lookups, verdicts that can say unknown."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from detector.demo.script import PLANT
from normalizers.context import store as store_module
from normalizers.context.enrich import Enricher
from normalizers.context.feeds import feed_rows
from normalizers.context.rows import ALWAYS_KNOWN, ContextRows
from normalizers.context.store import ContextStore
from normalizers.context.tables import load_context, read_context
from normalizers.context.verdicts import unsettled_tables
from normalizers.errors import ContextErrors
from normalizers.event import EcsEvent, Value
from normalizers.source import SourceProfile


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


NOON = _ns("2026-10-20T10:00:00")


@pytest.fixture(scope="module")
def plant() -> ContextStore:
    store = ContextStore()
    for rows in load_context(PLANT / "context"):
        store.apply(rows)
    return store


def _enriched(
    store: ContextStore, fields: dict[str, Value], *, time_ns: int = NOON, system: str | None = None
) -> dict[str, Value]:
    event = EcsEvent("e", time_ns, time_ns, 0, "s", "d", dict(fields))
    Enricher(store).enrich(event, SourceProfile(id="s", system=system))
    return event.fields


def test_accounts_badges_and_unknown_people(plant: ContextStore) -> None:
    account = _enriched(plant, {"user.name": "AWeber-adm", "user.domain": "CORP"})
    assert (account["convergence.person.id"], account["convergence.person.groups"]) == ("p-weber", ["it_admins"])
    assert account["convergence.account.id"] == "corp\\aweber-adm"
    badge = _enriched(plant, {"physical.credential.id": "10077"}, system="pacs-a")
    assert (badge["convergence.person.id"], badge["user.full_name"]) == ("p-meier", "Ralf Meier")
    other = _enriched(plant, {"physical.credential.id": "10077"}, system="pacs-b")
    assert other["convergence.person.id"] == "?pacs-b\\10077"
    assert other["convergence.person.status"] == "unknown"
    local = _enriched(plant, {"user.name": "aweber", "user.domain": "EWS-01", "host.name": "ews-01"})
    assert local["convergence.person.id"] == "?ews-01\\aweber"
    assert "convergence.person.id" not in _enriched(plant, {"user.name": "DC-01$", "user.domain": "CORP"})


def test_a_door_has_its_place_its_cameras_and_its_schedule(plant: ContextStore) -> None:
    fields = _enriched(plant, {"physical.portal.id": "Chemical store door"})
    assert fields["convergence.asset.id"] == "D-A-12"
    assert fields["convergence.location.path"] == "plant-a/a-main/a-store/D-A-12"
    assert fields["convergence.location.timezone"] == "Europe/Berlin"
    assert fields["convergence.camera.id"] == ["CAM-A-12"]
    assert fields["convergence.camera.retention_days"] == 30
    assert fields["convergence.location.egress"] == "full"


def test_a_place_has_the_coordinates_and_the_ways_of_what_it_lies_in() -> None:
    store = ContextStore()
    places: list[dict[str, Any]] = [
        {"location_id": "n", "type": "site", "site": "n", "latitude": 52.52, "longitude": 13.4, "travel": ["s = 9000"]},
        {"location_id": "hall", "type": "building", "parent": "n", "travel": ["tower=240", "gate=60"]},
        {"location_id": "door", "type": "portal", "parent": "hall"},
    ]
    store.apply(ContextRows("locations", ALWAYS_KNOWN, tuple(places)))
    store.apply(ContextRows("assets", ALWAYS_KNOWN, ({"asset_id": "door"},)))
    fields = _enriched(store, {"physical.portal.id": "door"})
    assert fields["convergence.location.geo"] == "52.52,13.4"
    assert fields["convergence.location.travel"] == ["hall|tower|240", "hall|gate|60", "n|s|9000"]
    event = EcsEvent("e", NOON, NOON, 0, "s", "d", {"event.action": "access-granted"})
    Enricher(store).enrich(event, SourceProfile(id="s", site="n"))
    assert event.fields["convergence.location.geo"] == "52.52,13.4"
    assert event.fields["convergence.location.travel"] == ["n|s|9000"]


@pytest.mark.parametrize(
    ("moment", "verdict"),
    [
        ("2026-10-20T04:00:00", "in"),  # 06:00 in Berlin: the window begins
        ("2026-10-20T03:59:59", "out"),
        ("2026-10-20T18:00:00", "out"),  # 20:00: it has ended
        ("2026-10-26T05:00:00", "in"),  # winter time since the day before
        ("2026-10-26T04:30:00", "out"),
        ("2026-10-24T10:00:00", "out"),  # a Saturday
        ("2026-12-25T10:00:00", "out"),  # a holiday
    ],
)
def test_schedules_are_local_and_know_holidays(plant: ContextStore, moment: str, verdict: str) -> None:
    fields = _enriched(plant, {"physical.portal.id": "D-A-12"}, time_ns=_ns(moment))
    assert fields["convergence.schedule.verdict"] == verdict


def _flow(source: str, destination: str, port: int = 502) -> dict[str, Value]:
    return {
        "event.category": ["network"],
        "source.ip": source,
        "destination.ip": destination,
        "destination.port": port,
        "network.transport": "tcp",
    }


@pytest.mark.parametrize(
    ("flow", "verdict"),
    [
        (_flow("10.30.1.20", "10.30.2.2"), "allowed"),
        (_flow("10.10.3.17", "10.30.2.2"), "unlisted"),
        (_flow("10.50.1.1", "10.30.2.2"), "denied"),
        (_flow("10.20.0.11", "10.30.1.12", 3389), "allowed"),
        (_flow("198.51.100.1", "10.30.2.2"), "unknown"),
    ],
)
def test_conduits_allow_deny_or_do_not_say(plant: ContextStore, flow: dict[str, Value], verdict: str) -> None:
    assert _enriched(plant, flow)["convergence.conduit.verdict"] == verdict


def test_a_text_that_is_too_long_for_an_address_is_not_remembered(plant: ContextStore) -> None:
    before = store_module._parsed.cache_info().currsize
    assert plant.ids_at(plant.zone_networks, "9" * 100_000) == []
    assert store_module._parsed.cache_info().currsize == before


def test_an_address_of_the_sites_own_is_told_apart(plant: ContextStore) -> None:
    assert _enriched(plant, {"source.ip": "203.0.113.10"})["convergence.source.own_egress"] == "yes"
    assert _enriched(plant, {"source.ip": "198.51.100.7"})["convergence.source.own_egress"] == "no"


def _ticket(known_ns: int, **columns: Any) -> ContextRows:  # noqa: ANN401  columns of any type
    return ContextRows("approvals", known_ns, ({"approval_id": "chg-1", **columns},))


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({"status": "approved", "approvers": ["a", "b"]}, "approved"),
        ({"status": "approved", "approvers": ["a"]}, "single_approver"),
        ({"status": "approved", "approvers": ["a"], "requester": "a"}, "self_approved"),
        ({"status": "approved", "approvers": ["a", "b"], "decided_at_ns": NOON + 1}, "late"),
        ({"status": "approved", "approvers": ["a", "b"], "window_to_ns": NOON - 1}, "expired"),
        ({"status": "approved", "approvers": ["a", "b"], "scope_assets": ["PLC-7"]}, "out_of_scope"),
        ({"status": "rejected", "approvers": ["a", "b"]}, "none"),
        ({"status": "requested"}, "none"),
    ],
)
def test_approvals_are_judged_in_words(columns: dict[str, Any], status: str) -> None:
    store = ContextStore()
    for rows in load_context(PLANT / "context"):
        store.apply(rows)
    session: dict[str, Value] = {
        "event.action": "session-start",
        "user.name": "v-kuhn",
        "user.domain": "corp",
        "convergence.session.target": "JH-OT-01",
    }
    assert _enriched(store, session)["convergence.approval.status"] == "none"
    store.apply(_ticket(NOON - 10, vendor="nordmann", **columns))
    assert _enriched(store, session)["convergence.approval.status"] == status


def test_rows_are_seen_once_known_and_while_valid() -> None:
    store = ContextStore()
    store.apply(ContextRows("people", ALWAYS_KNOWN, ({"person_id": "p", "status": "active"},), replace=True))
    store.apply(ContextRows("people", 100, ({"person_id": "p", "status": "terminated", "valid_from_ns": 50},)))
    assert [store.view(99, 60).person("p"), store.view(100, 49).person("p")] == [store.view(0, 0).person("p")] * 2
    found = store.view(100, 60).person("p")
    assert found is not None
    assert found.status == "terminated"


def test_parts_of_a_ticket_may_come_in_any_order() -> None:
    parts = [
        _ticket(10, part="change", status="approved"),
        _ticket(20, part="approver a", approvers=["a"], decided_at_ns=5),
        _ticket(30, part="approver b", approvers=["b"], decided_at_ns=7),
    ]
    for order in (parts, parts[::-1]):
        store = ContextStore()
        for rows in order:
            store.apply(rows)
        found = store.view(30, 0).approvals()
        assert [(each.status, sorted(each.approvers or ()), each.decided_at_ns) for each in found] == [
            ("approved", ["a", "b"], 7)
        ]


def test_a_new_table_ends_the_old_one() -> None:
    store = ContextStore()
    for known_ns, name in ((ALWAYS_KNOWN, "old"), (100, "new")):
        rows = ({"asset_id": name, "ips": ["10.0.0.1"]},)
        store.apply(ContextRows("assets", known_ns, rows, replace=True))
    assert [getattr(store.view(at, 0).asset_named("10.0.0.1"), "asset_id", None) for at in (99, 100)] == ["old", "new"]


def test_a_match_is_unsettled_only_while_a_feed_may_still_bring_the_row() -> None:
    fields: dict[str, Value] = {"convergence.approval.status": "none"}
    assert unsettled_tables(fields, {"convergence.approval.status"}, {"approvals"}) == ("approvals",)
    assert unsettled_tables(fields, {"convergence.approval.status"}, set()) == ()
    assert unsettled_tables(fields, {"event.action"}, {"approvals"}) == ()
    assert (
        unsettled_tables({"convergence.approval.status": "approved"}, {"convergence.approval.status"}, {"approvals"})
        == ()
    )


def test_other_events_teach_nothing() -> None:
    assert feed_rows(EcsEvent("e", 0, 0, 0, "s", "zeek.conn", {}), 0) == []


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("assets.csv", "asset_id,ips\nA,10.0.0.300\n", "assets.csv:2:ips"),
        ("assets.csv", "asset_id,ipps\nA,10.0.0.3\n", "did you mean 'ips'"),
        ("locations.csv", "location_id,type,parent\na,room,nowhere\n", "nowhere"),
        ("asets.csv", "asset_id\nA\n", "did you mean 'assets'"),
        ("schedules.csv", "schedule,days,start,end\ns,mon,25:00,26:00\n", "schedules.csv:2:start"),
        ("locations.csv", "location_id,type,timezone\nx,site,Europe/Berlinn\n", "locations.csv:2:timezone"),
        ("locations.csv", "location_id,type,parent\na,room,b\nb,room,a\n", "locations.csv"),
        ("locations.csv", "location_id,type,travel\nx,site,y=fast\n", "least seconds to it such as plant-b=9000"),
        ("locations.csv", "location_id,type,travel\nplant,site,\nx,site,plnt=90\n", "did you mean 'plant'"),
        ("conduits.csv", "conduit_id,source,destination,verdict\nc,a,b,maybe\n", "verdict"),
        ("people.csv", "person_id,status\n,active\n", "people.csv:2:person_id"),
        ("people.yml", "- {person_id: p, valid_from: yesterday}\n", "valid_from"),
    ],
)
def test_every_fault_has_its_file_row_and_column(tmp_path: Path, name: str, content: str, fault: str) -> None:
    (tmp_path / name).write_text(content)
    _, faults = read_context(tmp_path)
    assert any(fault in str(each) for each in faults), [str(each) for each in faults]
    with pytest.raises(ContextErrors):
        load_context(tmp_path)
