"""From candidates to the steps of an alert's evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from detector.candidate import Candidate, Step
from detector.correlation.summary import summarize

MAX_STEPS = 50
"""Steps of one alert; the first and the last are kept, what lies between is counted."""


def step_of(candidate: Candidate, title: str) -> Step:
    """Make the step of a plain event, or of a result that carries none; its rule's title completes the summary."""
    return Step(
        rule_name=candidate.rule_name,
        event_id=candidate.event_id,
        time_ns=candidate.time_ns,
        uncertainty_ns=candidate.uncertainty_ns,
        source=candidate.source,
        summary=summarize(title, candidate.fields),
        fields=candidate.fields,
    )


def steps_of(candidates: Iterable[Candidate], title_of: Callable[[str], str]) -> list[Step]:
    """Return the steps of several candidates in order of time, each once; an inner result gives its own.

    Args:
        candidates: The evidence.
        title_of: Rule id to title.
    """
    steps = dict[tuple[str, str], Step]()
    for candidate in candidates:
        for step in candidate.evidence or (step_of(candidate, title_of(candidate.rule_name)),):
            steps.setdefault((step.rule_name, step.event_id), step)
    return in_order(steps.values())


def in_order(steps: Iterable[Step]) -> list[Step]:
    """Sort steps by time, then by id."""
    return sorted(steps, key=lambda step: (step.time_ns, step.event_id, step.rule_name))


def first_and_last(steps: list[Step], count: int = MAX_STEPS) -> list[Step]:
    """Keep the first and last steps of a long list."""
    if len(steps) <= count:
        return steps
    return steps[: count // 2] + steps[len(steps) - (count - count // 2) :]
