"""What is kept of a group beside its candidates."""

from __future__ import annotations

import msgspec

from detector.alert import AlertDraft
from detector.correlation.ordering import NOT_YET


class GroupState(msgspec.Struct, gc=False):
    """Episode and expiry of one group.

    Attributes:
        draft: Last revision of the alert while an episode is open.
        false_since_ns: When its condition became false; None while it holds.
        expired_ns: Candidates up to this time have been evaluated as they left the window.
    """

    draft: AlertDraft | None = None
    false_since_ns: int | None = None
    expired_ns: int = NOT_YET


def closed_early(draft: AlertDraft) -> AlertDraft:
    """Return the last revision of an alert whose rule left or changed: nothing will ever close it otherwise."""
    return msgspec.structs.replace(draft, status="closed", reason="the rule left or changed while this went on")


class Decision(msgspec.Struct, frozen=True):
    """A decided trigger, kept so that it can be withdrawn.

    Attributes:
        trigger_id: Event id of the trigger.
        decided_ns: Order value at which it was decided.
        draft: The alert, None when there was none.
        held: The condition held, whether or not it alerted.
    """

    trigger_id: str
    decided_ns: int
    draft: AlertDraft | None
    held: bool = False
