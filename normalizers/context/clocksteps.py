"""Steps of a clock that a ticket explains: somebody had leave to set it, then."""

from __future__ import annotations

from normalizers.context.schema import Approval
from normalizers.context.store import View
from normalizers.event import EcsEvent
from normalizers.timestamps import format_utc, parse_iso8601

STEPS = frozenset({"clock-stepped", "clock-zone-wrong"})
"""What is found of a clock that may have been set on purpose."""

_AROUND_NS = 120 * 10**9
"""A window that ends or begins so near to the interval in doubt still explains the step."""

_EXPLAINED = "convergence.feed.clock.explained"


def add_explanation(event: EcsEvent, view: View) -> None:
    """Name the approved change that a source's clock was set under.

    It must name the source, or the asset that the source is, and be approved before the interval in doubt ends, by
    somebody other than who asked for it. A ticket that was closed while the step was looked for counts as it was when
    the interval began.
    """
    fields = event.fields
    if fields.get("event.action") not in STEPS or _EXPLAINED not in fields:
        return
    ends = [fields.get(f"convergence.feed.clock.doubt_{end}") for end in ("from", "until")]
    if not all(isinstance(end, str) for end in ends):
        return
    from_ns, until_ns = (parse_iso8601(str(end)) for end in ends)
    names = _names(event, view)
    before = view.known_at(min(view.known_ns, from_ns))
    for approval in (*view.approvals(), *before.approvals()):
        if names.intersection(approval.scope_assets or ()) and _allows(approval, from_ns, until_ns):
            fields[_EXPLAINED] = "yes"
            fields["convergence.feed.clock.explanation"] = "ticket"
            fields["convergence.approval.id"] = approval.approval_id
            if approval.approvers:
                fields["convergence.approval.approvers"] = list(approval.approvers)
            if approval.decided_at_ns is not None:
                fields["convergence.approval.decided_at"] = format_utc(approval.decided_at_ns)
            return


def _names(event: EcsEvent, view: View) -> set[str]:
    """Return by which names a ticket may call the source."""
    source, host = event.fields.get("convergence.feed.id"), event.fields.get("host.name")
    given = {each for each in (source, host) if isinstance(each, str)}
    assets = (view.asset_named(each) for each in sorted(given))
    return given | {asset.asset_id for asset in assets if asset is not None}


def _allows(approval: Approval, from_ns: int, until_ns: int) -> bool:
    if approval.status != "approved" or approval.kind == "access":
        return False
    if approval.decided_at_ns is not None and approval.decided_at_ns > until_ns:
        return False
    if approval.requester is not None and set(approval.approvers or ()) == {approval.requester}:
        return False
    begins_ns, ends_ns = approval.window_from_ns, approval.window_to_ns
    # A ticket without a window would explain every step for ever.
    if begins_ns is None or ends_ns is None:
        return False
    return begins_ns - _AROUND_NS <= until_ns and from_ns <= ends_ns + _AROUND_NS
