"""What a correlation found, before it becomes an alert or the input of another correlation."""

from __future__ import annotations

from typing import Literal

import msgspec

from detector.candidate import Candidate, GroupKey
from normalizers.event import Value


class Hit(msgspec.Struct, kw_only=True):
    """One application, expiry or decision at which a correlation's condition holds.

    Attributes:
        anchor: Last event of the evidence; its fields are the result's unprefixed ones.
        evidence: Everything that the condition rests on, the anchor included; at most `MAX_EVIDENCE`.
        decided_by: Id of the event or timer that decided it.
        time_ns: When it happened: the last event, or the end of a span in which something was missing.
        order: Whether the order of a sequence, or of what is open and its trigger, is certain; None for other types.
        coverage: Whether an absence or a session could be watched throughout; None for other types.
        late: A late candidate caused it.
        ahead: It was found while a raw partition stood still: what that one holds may change it.
        widened_ns: How far uncertainty widened the window; of an absence, how far around its span a partner was sought.
        reason: One clause for a reader.
        fields: Fields that replace or complete the anchor's.
        group: Group under which it is reported; None: the one it was found in.
    """

    anchor: Candidate
    evidence: tuple[Candidate, ...]
    decided_by: str
    time_ns: int
    order: Literal["certain", "possible"] | None = None
    coverage: Literal["full", "partial"] | None = None
    late: bool = False
    ahead: bool = False
    widened_ns: int = 0
    reason: str = ""
    fields: dict[str, Value] = {}
    group: GroupKey | None = None


MAX_EVIDENCE = 50
"""Candidates that a hit carries; of a longer window the first and the last."""

MAX_NEW_STEPS = 10
"""Candidates that a further hit of an episode carries at most: what its window held before is there already."""
