"""One rule against events: which part of its condition held, which did not and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from detector.correlation.plan import named_rules
from detector.explaining.blockers import MAX_BLOCKERS, blockers, slips
from detector.explaining.judging import judge
from detector.explaining.model import Explanation, SourceCheck
from detector.explaining.outline import outline_of
from detector.explaining.telling import tell
from detector.instant import instant_ns
from detector.matching.evaluator import compile_condition
from detector.matching.fields import Fields, flat_fields
from detector.rules.condition import TIME_FIELD
from detector.rules.filters import about, expired
from detector.rules.logsources import contradicts
from detector.rules.model import DetectionRule, LogSource, RuleMeta, RuleSet
from normalizers.timestamps import format_utc

OTHER_SOURCE = 1.0
"""Distance that a log source adds which contradicts the rule's."""

UNREADABLE = 1.0
"""Distance of an event on which the rule's evaluation fails."""


class RuleExplainer:
    """Explains one rule; prepared once for any number of events.

    Args:
        rule: The rule.
        notes: What else decides whether an alert comes of a match.

    Attributes:
        rule: The rule.
    """

    def __init__(self, rule: DetectionRule, notes: tuple[str, ...] = ()) -> None:
        self.rule = rule
        self._notes = notes
        self._outline = outline_of(rule)
        self._holds = compile_condition(rule.condition)

    def distance(self, event: Mapping[str, Any], source: LogSource) -> float:
        """Return how far an event is from a match, about the number of things that would have to change; 0: none."""
        fields = flat_fields(event)
        distance = judge(self._outline, fields).repair
        if contradicts(self.rule.logsource, source):
            distance += OTHER_SOURCE
        return distance or (0.0 if _evaluated(lambda: self._holds(fields))[0] else UNREADABLE)

    def slips(self, event: Mapping[str, Any]) -> int:
        """Return how many tests fail by a slip only, such as another case: of events equally far this one is nearer."""
        fields = flat_fields(event)
        return slips(judge(self._outline, fields), fields)

    def explain(self, event: Mapping[str, Any], source: LogSource, index: int | None = None) -> Explanation:
        """Explain the rule for one event.

        Args:
            event: Flat or nested fields.
            source: The event's log source.
            index: Its position among others.
        """
        meta, fields = self.rule.meta, flat_fields(event)
        judged = judge(self._outline, fields)
        check = check_source(self.rule.logsource, source)
        held, failure = _evaluated(lambda: self._holds(fields))
        reasons = [*([check.why] if check.why else []), *failure, *islice(blockers(judged, fields), MAX_BLOCKERS)]
        matched = held and check.held
        return Explanation(
            rule_id=meta.id,
            rule_title=meta.title,
            path=meta.path,
            line=meta.line,
            matched=matched,
            logsource=check,
            condition=tell(judged, fields),
            blockers=() if matched else tuple(reasons),
            distance=self.distance(event, source),
            notes=(*self._notes, *_expired(meta, fields)),
            event_index=index,
        )


def check_source(rule: LogSource, event: LogSource) -> SourceCheck:
    """Compare log sources: a rule is skipped only when a part that both name differs."""
    mine, theirs = _parts(rule), _parts(event)
    differing = [part for part in mine if part in theirs and theirs[part] != mine[part]]
    whys = [f"the rule looks at {part} {mine[part]!r}, the event is of {theirs[part]!r}" for part in differing]
    return SourceCheck(not differing, mine, theirs, "; ".join(whys))


def notes_of(rule: DetectionRule, ruleset: RuleSet) -> tuple[str, ...]:
    """Say what else decides whether an alert comes of a match: correlations, and repeats that are folded."""
    notes = list[str]()
    users = [each.meta.title for each in ruleset.correlations.values() if rule.meta.id in named_rules(each)]
    if users and not rule.meta.generate:
        notes.append(f"does not alert on its own: it feeds {', '.join(map(repr, users[:5]))}")
    if rule.suppress is not None:
        notes.append(f"repeats within {rule.suppress.timespan_ns / 1e9:g} s are folded into one alert (`suppress`)")
    return tuple(notes)


def _expired(meta: RuleMeta, fields: Fields) -> Iterator[str]:
    """Say which filters no longer filter an event of this time."""
    time_ns = instant_ns(fields.get(TIME_FIELD))
    for applied in expired(meta.filters, time_ns) if time_ns is not None else ():
        ended = format_utc(applied.expires_ns or 0)
        yield f"filter {applied.title!r} expired on {ended} and does not filter this event ({about(applied)})"


def _parts(source: LogSource) -> dict[str, str]:
    parts = {"category": source.category, "product": source.product, "service": source.service}
    return {name: value for name, value in parts.items() if value is not None}


def _evaluated(holds: Callable[[], bool]) -> tuple[bool, list[str]]:
    try:
        return holds(), []
    except Exception as error:  # noqa: BLE001  the engine takes a rule that raises as one that does not match
        return False, [f"the rule cannot be evaluated on this event: {error}"]
