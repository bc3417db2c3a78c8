"""What moves between matching and correlation. None of it can lie in a cycle, so the collector need not look at it."""

from __future__ import annotations

import msgspec

from normalizers.event import EcsEvent, Value

GroupKey = tuple[str | None, ...]
"""Values of a correlation's group-by fields in their canonical text form; None is a kept null."""


class Match(msgspec.Struct, frozen=True, gc=False):
    """A rule that fired on an event."""

    rule_id: str
    event_id: str


class Unsettled(msgspec.Struct, frozen=True, gc=False):
    """A match that rests on a missing context row, with all that is needed to look it up again.

    Attributes:
        tables: Context tables whose missing row the match rests on.
        event: The whole event as it was before context was joined.
    """

    tables: tuple[str, ...]
    event: EcsEvent


class Candidate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A match on its way to one group of one correlation.

    Attributes:
        correlation_id: Key of the correlation (`CorrelationRule.id`), or of the rule itself when a
            single-event rule waits only to be settled.
        group: Values of the group-by fields.
        rule_name: Key (`id`) of the listed rule that matched.
        event_id: Id of the event, or of the inner correlation's application.
        time_ns: When it happened, corrected.
        ready_ns: Append time of its record in the raw log, as a running maximum per source.
        uncertainty_ns: Half-width of the interval that holds the true time.
        source: Logical source id; empty for results of inner correlations.
        fields: The projected fields that the correlation and its alert need.
        evidence: Steps carried over from an inner correlation; empty for a plain event.
        unsettled: Set while the match rests on a missing context row.
    """

    correlation_id: str
    group: GroupKey
    rule_name: str
    event_id: str
    time_ns: int
    ready_ns: int
    uncertainty_ns: int
    source: str
    fields: dict[str, Value]
    evidence: tuple[Step, ...] = ()
    unsettled: Unsettled | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One step of an alert's evidence.

    Attributes:
        rule_name: Key of the rule that matched.
        event_id: Id of the event.
        time_ns: Corrected time.
        uncertainty_ns: Half-width around it.
        source: Logical source id.
        summary: One line.
        fields: The event's fields as far as projected (includes `convergence.clock.device_time`).
    """

    rule_name: str
    event_id: str
    time_ns: int
    uncertainty_ns: int
    source: str
    summary: str
    fields: dict[str, Value]
