"""Words of judgement, and which of them rest on a row that is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from normalizers.event import Value
from normalizers.timestamps import format_utc

UNSETTLED: dict[str, tuple[str, frozenset[str]]] = {
    "convergence.approval.status": ("approvals", frozenset({"none", "unknown", "out_of_scope", "expired"})),
    "convergence.feed.clock.explained": ("approvals", frozenset({"no"})),
    "convergence.person.status": ("people", frozenset({"unknown"})),
    "convergence.person_target.status": ("people", frozenset({"unknown"})),
}
"""Field to the table that feeds it, and its values that a row still to come could change.

Conduits, zones, assets and schedules come from files, which are complete the moment they are read.
"""

_MISSED: dict[str, frozenset[str]] = {
    **{path: values for path, (_, values) in UNSETTLED.items()},
    "convergence.conduit.verdict": frozenset({"unlisted", "unknown"}),
    "convergence.schedule.verdict": frozenset({"unknown"}),
}
"""Verdicts that any table still to be read could change, fed or not."""


def doubt(fields: dict[str, Value], known_to_ns: int) -> None:
    """Make `unknown` of every verdict that rests on a missing row, and say since when nothing was learned.

    Args:
        fields: Fields of an event, enriched; changed in place.
        known_to_ns: Rows known later may be missing.
    """
    missed = [path for path, values in _MISSED.items() if fields.get(path) in values]
    for path in missed:
        fields[path] = "unknown"
    if missed:
        since = "never read" if known_to_ns <= 0 else f"not current since {format_utc(known_to_ns)[:19]}Z"
        fields["convergence.context.stale"] = [f"context {since}"]


def unsettled_tables(
    fields: Mapping[str, Value], field_paths: Collection[str], fed: Collection[str]
) -> tuple[str, ...]:
    """Return the fed tables whose missing row a match rests on.

    Args:
        fields: Fields of the event, enriched.
        field_paths: Fields that the rule reads.
        fed: Tables that a feed keeps current; others are complete as they are.
    """
    return tuple(
        dict.fromkeys(
            table
            for path, (table, values) in UNSETTLED.items()
            if path in field_paths and table in fed and fields.get(path) in values
        )
    )
