"""Schedules and approvals: was it the time for it, and had anyone agreed?"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from normalizers.context.schema import Approval, Asset, Schedule
from normalizers.context.store import View
from normalizers.event import EcsEvent
from normalizers.timestamps import format_utc

NEED_APPROVAL = frozenset(
    {"session-start", "program-download", "online-edit", "mode-changed", "firmware-updated", "plc-stop"}
)
"""Actions for which a ticket is looked up."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_BEST = ("approved", "single_approver", "self_approved", "late", "expired", "out_of_scope", "rejected")
FOUR_EYES = 2
_MINUTE_NS = 60 * 10**9
_MINUTES = 256
"""Minutes that a place's schedule remembers its word for."""


class _Plan:
    """The schedule of a place, and what it said of the minutes last asked about.

    Args:
        name: The schedule's.
        windows: Its windows.
        zone: Time zone of the place.
    """

    def __init__(self, name: str, windows: list[Schedule], zone: str | None) -> None:
        self.name = name
        self._windows = [(window, window.timezone or zone) for window in windows]
        self._verdicts: dict[int, str] = {}

    def verdict(self, minute: int) -> str:
        """Judge one minute: schedules know nothing shorter, and events of one time ask alike."""
        found = self._verdicts.get(minute)
        if found is None:
            if len(self._verdicts) >= _MINUTES:
                self._verdicts.clear()
            self._verdicts[minute] = found = self._judge(minute)
        return found

    def _judge(self, minute: int) -> str:
        if not self._windows:
            return "unknown"
        for window, zone in self._windows:
            if zone is None:
                return "unknown"
            if _is_inside(window, datetime.fromtimestamp(minute * 60, ZoneInfo(zone))):
                return "in"
        return "out"


def add_schedule(event: EcsEvent, view: View) -> None:
    """Add whether the time lies inside the schedule of the place, inherited up the tree."""
    fields = event.fields
    start = fields.get("convergence.location.id") or fields.get("convergence.location.site")
    if not isinstance(start, str):
        return
    plan = view.remembered(("schedule", start), lambda: _plan(start, view))
    if plan is not None:
        fields["convergence.schedule.name"] = plan.name
        fields["convergence.schedule.verdict"] = plan.verdict(event.time_ns // _MINUTE_NS)


def _plan(start: str, view: View) -> _Plan | None:
    chain = view.ancestors(start)
    name = next((each.schedule for each in chain if each.schedule), None)
    zone = next((each.timezone for each in chain if each.timezone), None)
    return None if name is None else _Plan(name, view.schedule(name), zone)


def _is_inside(window: Schedule, local: datetime) -> bool:
    minute = local.hour * 60 + local.minute
    if window.start <= window.end:
        return _runs_on(window, local) and window.start <= minute < window.end
    # Over midnight: the evening belongs to today's window, the small hours to yesterday's.
    if minute >= window.start:
        return _runs_on(window, local)
    return minute < window.end and _runs_on(window, local - timedelta(days=1))


def _runs_on(window: Schedule, local: datetime) -> bool:
    if _DAYS[local.weekday()] not in window.days:
        return False
    return not window.holidays or local.date().isoformat() not in window.holidays


def add_approval(event: EcsEvent, target: Asset | None, view: View) -> None:
    """Add the best approval that names the actor, his company or the target."""
    fields = event.fields
    if fields.get("event.action") not in NEED_APPROVAL:
        return
    person, vendor = fields.get("convergence.person.id"), fields.get("convergence.person.vendor")
    best: tuple[int, Approval] | None = None
    for approval in view.approvals():
        named = person in (approval.people or ()) or (vendor is not None and approval.vendor == vendor)
        if named:
            rank = _BEST.index(_approval_word(approval, target, event.time_ns))
            if best is None or (rank, approval.approval_id) < (best[0], best[1].approval_id):
                best = (rank, approval)
    if best is None:
        fields["convergence.approval.status"] = "none"
        return
    approval = best[1]
    word = _BEST[best[0]]
    fields["convergence.approval.status"] = "none" if word == "rejected" else word
    fields["convergence.approval.id"] = approval.approval_id
    if approval.approvers:
        fields["convergence.approval.approvers"] = list(approval.approvers)
        fields["convergence.approval.approver_count"] = len(approval.approvers)
    for leaf, stamp in (
        ("valid_from", approval.window_from_ns),
        ("valid_to", approval.window_to_ns),
        ("decided_at", approval.decided_at_ns),
    ):
        if stamp is not None:
            fields[f"convergence.approval.{leaf}"] = format_utc(stamp)


def _approval_word(approval: Approval, target: Asset | None, time_ns: int) -> str:
    if approval.status != "approved":
        return "rejected" if approval.status in {"requested", "rejected", None} else "expired"
    if approval.scope_assets and (target is None or target.asset_id not in approval.scope_assets):
        return "out_of_scope"
    if (approval.window_from_ns or time_ns) > time_ns or (approval.window_to_ns or time_ns) < time_ns:
        return "expired"
    if approval.decided_at_ns is not None and approval.decided_at_ns > time_ns:
        return "late"
    approvers = set(approval.approvers or ())
    if approval.requester is not None and approvers and approvers <= {approval.requester}:
        return "self_approved"
    return "single_approver" if len(approvers) < FOUR_EYES else "approved"
