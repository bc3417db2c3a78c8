"""A record that did not wait for its context: no verdict says "no" because a row was not read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.record import RawRecord
from detector.rules.loader import load_rules
from detector.runtime.embedded.assembly import build_stages
from detector.settings import Settings
from detector.task import Record
from normalizers.context.store import ContextStore
from normalizers.context.tables import load_context
from normalizers.event import EcsEvent

READY_NS = 1_800_000_000 * 10**9
FLOW = {
    "ts": READY_NS / 1e9 - 1,
    "uid": "C1",
    "id.orig_h": "10.1.0.5",
    "id.orig_p": 40_000,
    "id.resp_h": "10.2.0.7",
    "id.resp_p": 502,
    "proto": "tcp",
}
RULE = """
title: Flow that no conduit lists
name: unlisted
logsource: {category: network}
detection: {s: {convergence.conduit.verdict: unlisted}, condition: s}
"""


def _flow(folder: Path, *, conduits: str, known_to_ns: int | None) -> EcsEvent:
    (folder / "zones.csv").write_text("zone_id,class,cidrs\noffice,it,10.1.0.0/16\ncell,ot,10.2.0.0/16\n")
    (folder / "conduits.csv").write_text(f"conduit_id,source,destination,verdict\n{conduits}")
    store = ContextStore()
    for rows in load_context(folder):
        store.apply(rows)
    (task,) = build_stages(Settings(raw_partitions=1), load_rules([RULE]), store, generation=1).sense
    raw = RawRecord("r", "site/zeek", "zeek.conn", READY_NS, json.dumps(FLOW).encode())
    outputs = task.process([Record(raw, READY_NS, known_to_ns=known_to_ns)])
    (event,) = (each for each in outputs if isinstance(each, EcsEvent))
    return event


@pytest.mark.parametrize(
    ("conduits", "known_to_ns", "verdict", "stale"),
    [
        ("", None, "unlisted", None),
        ("", READY_NS - 7 * 10**9, "unknown", ["context not current since 2027-01-15T07:59:53Z"]),
        ("", -(2**63), "unknown", ["context never read"]),
        ("c1,office,cell,denied\n", READY_NS - 7 * 10**9, "denied", None),
    ],
    ids=["in time", "behind", "never", "a row that is there"],
)
def test_only_what_rests_on_a_missing_row_is_unknown(
    tmp_path: Path, conduits: str, known_to_ns: int | None, verdict: str, stale: list[str] | None
) -> None:
    event = _flow(tmp_path, conduits=conduits, known_to_ns=known_to_ns)
    assert event.fields["convergence.conduit.verdict"] == verdict
    assert event.fields.get("convergence.context.stale") == stale
