"""What is said of an absence that nobody could see."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.record import hashed_id
from detector.candidate import Candidate
from detector.correlation.liveness import Blind
from detector.rules.model import CorrelationRule
from detector.task import EngineEvent
from normalizers.event import Value

MAX_DEPTH = 3
"""Engine events caused by engine events: a rule about gaps that has gaps of its own must come to an end."""

MAX_BLIND = 20
"""Sources named; of a hundred that were silent nobody reads the rest."""

DEPTH = "convergence.feed.depth"


def coverage_gap(rule: CorrelationRule, trigger: Candidate, blind: Sequence[Blind], end_ns: int) -> EngineEvent | None:
    """Return the engine event of an absence that could not be asked for.

    Args:
        rule: The absence.
        trigger: What has no partner.
        blind: Who may have missed the partner; not empty.
        end_ns: End of the span.

    Returns:
        None where engine events cause each other for the fourth time.
    """
    before = trigger.fields.get(DEPTH)
    depth = (before if isinstance(before, int) else 0) + 1
    if depth > MAX_DEPTH:
        return None
    sources: list[Value] = [each.source for each in blind[:MAX_BLIND] if each.source]
    fields: dict[str, Value] = {
        "rule.id": rule.meta.id,
        "rule.name": rule.meta.title,
        "convergence.uncovered.trigger": trigger.event_id,
        "convergence.uncovered.reason": "silence",
        "convergence.uncovered.sources": sources,  # type: ignore[dict-item]  # texts are values
        "convergence.uncovered.why": "; ".join(map(str, blind[:MAX_BLIND])),
        "convergence.location.site": trigger.fields.get("convergence.location.site"),
        DEPTH: depth,
    }
    source = blind[0].source
    return EngineEvent(
        id=hashed_id(source, trigger.event_id, "coverage-gap", rule.meta.id),
        source=source or trigger.source,
        kind="coverage-gap",
        time_ns=end_ns,
        fields={path: value for path, value in fields.items() if value is not None},
    )
