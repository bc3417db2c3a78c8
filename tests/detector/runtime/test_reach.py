"""Which sources would have reported what is missing: by dataset, and by the place that they report of."""

from __future__ import annotations

from typing import Any

import pytest

from detector.correlation.plan import Expected
from detector.rules.bundled import bundled_rules
from detector.rules.loader import load_rules
from detector.rules.logsources import LogSourceMap
from detector.runtime.reach import Reach
from detector.settings import Settings, SourceSettings
from normalizers.context.rows import ALWAYS_KNOWN, ContextRows
from normalizers.context.store import ContextStore

TABLES: dict[str, tuple[dict[str, Any], ...]] = {
    "locations": (
        {"location_id": "plant"},
        {"location_id": "east", "parent": "plant"},
        {"location_id": "lab", "parent": "east"},
        {"location_id": "door-1", "parent": "lab", "type": "portal"},
    ),
    "assets": ({"asset_id": "cam-1", "covers": ["door-1"]}, {"asset_id": "pacs", "location_id": "lab"}),
}
RULE = "title: r\nname: r\nid: r\nlogsource: {product: zeek, service: conn}\ndetection: {s: {a: 1}, condition: s}\n"
LAB = ("plant", "east", "lab")


def _reach(**sources: SourceSettings) -> Reach:
    context = ContextStore()
    for table, rows in TABLES.items():
        context.apply(ContextRows(table=table, rows=rows, known_at_ns=ALWAYS_KNOWN, replace=True))
    settings = Settings(sources=sources)
    logsources = LogSourceMap.load(bundled_rules() / "logsources.yml")
    return Reach(load_rules(RULE), logsources, settings, settings.profiles(), context)


@pytest.mark.parametrize(
    ("place", "host", "places"),
    [
        ("lab", None, (LAB,)),
        (None, "CAM-1", ((*LAB, "door-1"),)),
        ("east", "CAM-1", (LAB[:2],)),
        # A server reports of doors elsewhere; where it stands says nothing.
        (None, "pacs", ()),
        ("laboratory", None, ()),
        (None, None, ()),
    ],
)
def test_the_narrowest_place_known(place: str | None, host: str | None, places: tuple[tuple[str, ...], ...]) -> None:
    reach = _reach(sensor=SourceSettings(dataset="zeek.conn", site="plant", place=place, host=host))
    (expected,) = reach.expectations("r")
    assert expected == Expected("sensor", None, 10 * 10**9, "plant", places)


def test_sources_of_other_datasets_are_not_asked() -> None:
    assert _reach(door=SourceSettings(dataset="gallagher.event"), blank=SourceSettings()).expectations("r") == ()
