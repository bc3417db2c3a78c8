"""What lookups remember: the same as looking up anew, at any time, and bounded."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from normalizers.context import memo as memo_module
from normalizers.context.enrich import Enricher
from normalizers.context.rows import ALWAYS_KNOWN, ContextRows
from normalizers.context.store import ContextStore
from normalizers.event import EcsEvent, Value
from normalizers.source import SourceProfile

PROFILE = SourceProfile(id="s", site="plant")
TABLES = (
    ContextRows(
        "assets",
        ALWAYS_KNOWN,
        (
            {"asset_id": "door-1", "location_id": "hall", "hostnames": ["pc"], "ips": ["10.0.0.1"], "valid_to_ns": 40},
            {"asset_id": "cam-1", "covers": ["door-1"], "retention_days": 30, "valid_from_ns": 20},
        ),
        replace=True,
    ),
    ContextRows("zones", ALWAYS_KNOWN, ({"zone_id": "ot", "cidrs": ["10.0.0.0/8"]},), replace=True),
    ContextRows("conduits", ALWAYS_KNOWN, ({"conduit_id": "c", "source": "ot", "destination": "ot"},), replace=True),
    ContextRows("locations", ALWAYS_KNOWN, ({"location_id": "hall", "site": "plant", "schedule": "day"},)),
    ContextRows("locations", 30, ({"location_id": "hall", "type": "portal", "egress_ips": ["10.0.0.1"]},)),
    ContextRows("schedules", 10, ({"schedule": "day", "days": ["thu"], "start": 0, "end": 60, "timezone": "UTC"},)),
    ContextRows("assets", 50, ({"asset_id": "door-1", "name": "new", "zone": "ot"},), replace=True),
)
NAMES = st.fixed_dictionaries(
    {"event.category": st.just(["network"])},
    optional={
        "host.name": st.sampled_from(["pc", "door-1", "nobody"]),
        "host.ip": st.sampled_from([["10.0.0.1", "10.9.9.9"], "10.0.0.1", []]),
        "physical.portal.id": st.sampled_from(["door-1", "door-2"]),
        "physical.camera.id": st.just("cam-1"),
        "source.ip": st.sampled_from(["10.0.0.1", "192.0.2.1"]),
        "destination.ip": st.sampled_from(["10.0.0.1", "10.0.0.7"]),
    },
)
TIMES = st.sampled_from([0, 9, 10, 19, 20, 29, 30, 39, 40, 49, 50, 51])


def _store() -> ContextStore:
    store = ContextStore()
    for rows in TABLES:
        store.apply(rows)
    return store


def _enriched(store: ContextStore, fields: dict[str, Value], known_ns: int, time_ns: int) -> dict[str, Value]:
    event = EcsEvent("e", time_ns, known_ns, 0, "s", "d", dict(fields))
    Enricher(store).enrich(event, PROFILE)
    return event.fields


@settings(max_examples=60)
@given(st.lists(st.tuples(NAMES, TIMES, TIMES), min_size=2, max_size=12))
def test_what_is_remembered_is_what_would_be_found(asked: list[tuple[dict[str, Value], int, int]]) -> None:
    """Rows that become known, end, or are replaced change what is said from that instant on, and not before."""
    shared = _store()
    for fields, known_ns, time_ns in (*asked, *asked):
        assert _enriched(shared, fields, known_ns, time_ns) == _enriched(_store(), fields, known_ns, time_ns)


def test_rows_that_come_later_are_seen() -> None:
    store = _store()
    assert "convergence.asset.id" not in _enriched(store, {"host.name": "late"}, 60, 60)
    store.apply(ContextRows("assets", 55, ({"asset_id": "late"},)))
    assert _enriched(store, {"host.name": "late"}, 60, 60)["convergence.asset.id"] == "late"


def test_neither_many_names_nor_long_ones_fill_memory() -> None:
    store = _store()
    for number in range(2 * memo_module.MAX_ENTRIES):
        store.view(0, 0).remembered(("source", f"10.1.{number}"), lambda: None)
    store.view(0, 0).remembered(("source", "x" * 100_000), lambda: None)
    for time_ns in range(20):
        store.memo.at(time_ns, time_ns)
    kept = store.memo.at(0, 0)
    assert len(kept) <= memo_module.MAX_ENTRIES
    assert ("source", "x" * 100_000) not in kept
    assert len(store.memo._stretches) <= memo_module.MAX_STRETCHES
