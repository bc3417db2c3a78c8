"""Steps of clocks and the tickets that explain them: named, approved, in their time, known in time."""

from __future__ import annotations

from typing import Any

import pytest

from normalizers.context.enrich import Enricher
from normalizers.context.rows import ALWAYS_KNOWN, ContextRows
from normalizers.context.store import ContextStore
from normalizers.event import EcsEvent, Value
from normalizers.source import SourceProfile
from normalizers.timestamps import format_utc

S = 10**9
FROM_NS = 1_792_000_000 * S
UNTIL_NS = FROM_NS + 600 * S
TICKET: dict[str, Any] = {
    "approval_id": "CHG-1",
    "status": "approved",
    "kind": "change",
    "requester": "ada",
    "approvers": ["bo"],
    "scope_assets": ["PANEL-B"],
    "window_from_ns": FROM_NS + 60 * S,
    "window_to_ns": FROM_NS + 300 * S,
    "decided_at_ns": FROM_NS - 3_600 * S,
}


def explained(
    *tickets: ContextRows, kind: str = "clock-stepped", said: str = "no", host: str | None = None
) -> dict[str, Value]:
    """Return the fields of a finding about plant-b/turnstile with the context of some tickets."""
    store = ContextStore()
    asset = {"asset_id": "PANEL-B", "aliases": ["plant-b/turnstile"], "hostnames": ["pb"]}
    store.apply(ContextRows("assets", ALWAYS_KNOWN, (asset,), replace=True))
    for rows in tickets:
        store.apply(rows)
    fields: dict[str, Value] = {
        "event.action": kind,
        "convergence.feed.id": "plant-b/turnstile" if host is None else "elsewhere",
        "convergence.feed.clock.explained": said,
        "convergence.feed.clock.doubt_from": format_utc(FROM_NS),
        "convergence.feed.clock.doubt_until": format_utc(UNTIL_NS),
    }
    if host is not None:
        fields["host.name"] = host
    event = EcsEvent("e", UNTIL_NS, UNTIL_NS + S, 0, "isthmus/engine", "engine.event", fields)
    Enricher(store).enrich(event, SourceProfile(id="isthmus/engine"))
    return event.fields


def ticket(known_ns: int = FROM_NS - 3_000 * S, **columns: Any) -> ContextRows:  # noqa: ANN401  columns of any type
    return ContextRows("approvals", known_ns, (TICKET | columns,))


@pytest.mark.parametrize("kind", ["clock-stepped", "clock-zone-wrong"])
def test_an_approved_change_explains_a_step_and_is_named(kind: str) -> None:
    fields = explained(ticket(), kind=kind)
    assert fields["convergence.feed.clock.explained"] == "yes"
    assert fields["convergence.feed.clock.explanation"] == "ticket"
    assert fields["convergence.approval.id"] == "CHG-1"
    assert fields["convergence.approval.approvers"] == ["bo"]


@pytest.mark.parametrize(
    ("columns", "is_explained"),
    [
        ({"scope_assets": ["plant-b/turnstile"]}, True),
        ({"scope_assets": ["PANEL-C"]}, False),
        ({"scope_assets": None}, False),
        ({"status": "requested"}, False),
        ({"status": "rejected"}, False),
        ({"status": "closed"}, False),
        ({"kind": "access"}, False),
        ({"kind": None}, True),
        ({"requester": "bo"}, False),
        ({"decided_at_ns": UNTIL_NS}, True),
        ({"decided_at_ns": UNTIL_NS + 1}, False),
        ({"window_from_ns": None}, False),
        ({"window_to_ns": None}, False),
        ({"window_to_ns": FROM_NS - 120 * S, "window_from_ns": 0}, True),
        ({"window_to_ns": FROM_NS - 120 * S - 1, "window_from_ns": 0}, False),
        ({"window_from_ns": UNTIL_NS + 120 * S, "window_to_ns": 2**62}, True),
        ({"window_from_ns": UNTIL_NS + 120 * S + 1, "window_to_ns": 2**62}, False),
    ],
    ids=str,
)
def test_a_ticket_explains_only_what_it_allows(columns: dict[str, Any], is_explained: bool) -> None:
    fields = explained(ticket(**columns))
    assert fields["convergence.feed.clock.explained"] == ("yes" if is_explained else "no")
    assert ("convergence.approval.id" in fields) is is_explained


def test_the_asset_may_be_named_by_its_host() -> None:
    assert explained(ticket(), host="pb")["convergence.feed.clock.explained"] == "yes"


def test_a_ticket_that_is_not_known_yet_explains_nothing() -> None:
    assert explained(ticket(UNTIL_NS + 2 * S))["convergence.feed.clock.explained"] == "no"


def test_a_ticket_closed_while_the_step_was_looked_for_still_explains_it() -> None:
    closed = ContextRows("approvals", FROM_NS + 400 * S, ({"approval_id": "CHG-1", "status": "closed"},))
    assert explained(ticket(), closed)["convergence.feed.clock.explained"] == "yes"
    before = ContextRows("approvals", FROM_NS - S, ({"approval_id": "CHG-1", "status": "closed"},))
    assert explained(ticket(), before)["convergence.feed.clock.explained"] == "no"


def test_what_the_device_told_itself_stays_told_apart() -> None:
    assert "convergence.feed.clock.explanation" not in explained(said="yes")
    assert "convergence.approval.id" not in explained(ticket(), kind="clock-unsynced")
