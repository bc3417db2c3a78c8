"""Ids of alerts and of correlations' results, computed from what caused them."""

from __future__ import annotations

from datetime import UTC, datetime

from connectors.record import hashed_id
from detector.candidate import GroupKey
from detector.rules.model import RuleMeta

_NULL = b"\x00null"
"""Stands for a kept null in a hash; no canonical text is bytes."""


def alert_id(meta: RuleMeta, group: GroupKey, event_id: str, ready_ns: int) -> str:
    """Compute the id of the alert that an event or candidate opens.

    Args:
        meta: The rule or correlation that alerts.
        group: Values of its group-by fields; empty for a single-event rule.
        event_id: Id of the event whose application or expiry opened it.
        ready_ns: That event's ready time; its UTC month leads the id and names the alert's index.
    """
    return f"{_month(ready_ns)}-{hashed_id(meta.id, meta.semantic_hash, *_parts(group), event_id)}"


def result_id(correlation_id: str, group: GroupKey, decided_by: str) -> str:
    """Compute the event id of a correlation's result, for correlations that name it."""
    return hashed_id("result", correlation_id, *_parts(group), decided_by)


def group_id(correlation_id: str, group: GroupKey) -> str:
    """Compute the key under which one group's state is kept."""
    return hashed_id(correlation_id, *_parts(group))


def _parts(group: GroupKey) -> list[str | bytes]:
    return [_NULL if value is None else value for value in group]


def _month(ready_ns: int) -> str:
    # Times outside the calendar cannot come from the raw log; a replay may still carry nonsense.
    seconds = min(max(ready_ns // 10**9, 0), 253_402_300_799)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m")
