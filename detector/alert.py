"""What leaves the engine: drafts of the matching and correlating stages, then numbered alerts."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from detector.candidate import GroupKey, Step
from normalizers.event import Value

Status = Literal["active", "closed", "withdrawn"]


class AlertDraft(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of an alert before the group stage numbers and links it.

    Attributes:
        alert_id: ``yyyyMM-`` and the hash of rule id, semantic hash, group and opening candidate.
        rule_id: Key of the rule or correlation.
        group: Values of the group-by fields; empty for a single-event rule.
        status: `withdrawn` when what was missing arrived after all.
        opened_ns: Time of the episode's first evidence.
        last_ns: Time of its last evidence.
        ready_ns: Order value at which this revision was decided.
        count: Matches so far.
        steps: Evidence in order of time, at most 50.
        fields: Fields of the result: the last event's, completed by the correlation.
        order: Order confidence of a sequence, or of what is open and its trigger; else None.
        coverage: What could be checked of an absence, else None.
        late: A late candidate caused it.
        ahead: It was found while a raw partition stood still: what that one holds may change it.
        reason: Why it was decided or withdrawn, for a reader.
        widened_ns: How far uncertainty widened the window; 0 when it did not.
        bundle: Hash of the rules that decided it; empty where the stages of one process share them.
    """

    alert_id: str
    rule_id: str
    group: GroupKey
    status: Status
    opened_ns: int
    last_ns: int
    ready_ns: int
    count: int
    steps: tuple[Step, ...]
    fields: dict[str, Value]
    order: Literal["certain", "possible"] | None = None
    coverage: Literal["full", "partial"] | None = None
    late: bool = False
    ahead: bool = False
    reason: str = ""
    widened_ns: int = 0
    bundle: str = ""


class Alert(msgspec.Struct, frozen=True):
    """An alert document as it is delivered.

    Attributes:
        id: Alert id, the document's `event.id`.
        revision: 1 is new; each later one replaces the one before.
        document: Nested ECS JSON.
    """

    id: str
    revision: int
    document: dict[str, Any]
