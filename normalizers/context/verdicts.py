"""Words of judgement, and which of them rest on a row that is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from normalizers.event import Value

UNSETTLED: dict[str, tuple[str, frozenset[str]]] = {
    "convergence.approval.status": ("approvals", frozenset({"none", "unknown", "out_of_scope", "expired"})),
    "convergence.feed.clock.explained": ("approvals", frozenset({"no"})),
    "convergence.person.status": ("people", frozenset({"unknown"})),
    "convergence.person_target.status": ("people", frozenset({"unknown"})),
}
"""Field to the table that feeds it, and its values that a row still to come could change.

Conduits, zones, assets and schedules come from files, which are complete the moment they are read.
"""


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
