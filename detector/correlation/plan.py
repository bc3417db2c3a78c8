"""What follows from a correlation's text and the settings: lateness, widening, retention, who names it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from detector.correlation.thresholds import only_grow
from detector.rules.model import CorrelationRule, DetectionRule, RuleSet, Suppress, Threshold
from normalizers.event import Value

MAX_CANDIDATES = 10_000
"""Candidates kept for one group; beyond it the oldest goes, counted and visible."""

BUDGET = 1_000_000
"""Candidates kept for one correlation in one partition: about 1 GB of events with 20 fields."""

DECISIONS_NS = 86_400 * 10**9
"""How long a decided absence may still be withdrawn."""

FALLING = frozenset({"value_sum", "value_avg", "value_median", "value_percentile"})
"""Types whose number an additional event may lower."""


class Expected(msgspec.Struct, frozen=True):
    """A source that would have reported an event.

    Attributes:
        source: Logical source id.
        expectation_ns: Longest gap expected of it; None: its silence proves nothing.
        lateness_ns: How late its records may arrive.
        site: Where it stands; None: it may report of any site.
        places: What of its site it reports of: for each place the ids from the site down to it; empty: all of it.
    """

    source: str
    expectation_ns: int | None
    lateness_ns: int = 0
    site: str | None = None
    places: tuple[tuple[str, ...], ...] = ()

    def tells_of(self, site: Value | None, path: Value | None) -> bool:
        """Return whether it may report what happens at a place.

        Args:
            site: Site of the place.
            path: Ids from the site down to the place, joined by slashes.
        """
        if self.site is not None and site is not None and self.site != site:
            return False
        here = path.split("/") if isinstance(path, str) else []
        return not self.places or not here or any(each[-1] in here or here[-1] in each for each in self.places)


Expectations = tuple[Expected, ...]


class CorrelationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What correlation must be told.

    Attributes:
        lateness_ns: Detection rule id to the largest lateness of the datasets that it can match.
        learns_from_ns: Since when `first_seen` learns; None: since its rule became active.
        is_own: Whether a rule or correlation can match nothing but what the engine itself noticed.
        settles: Whether a detection rule's matches may rest on a missing context row.
        context_wait_ns: Longest wait for a missing row.
        expectations: Rule id of a partner that an absence misses to the sources that would report it.
        partner_uncertainty_ns: Largest uncertainty configured for any source.
        watched_from_ns: Since when everything is watched; None: since the clocks of the partitions say so.
        max_candidates: Bound of one group.
        budget: Bound of all groups of one correlation.
        is_stored: State is taken by checkpoints; false where nothing is to be restored.
        assume_covered: Everything was watched, as in a file of events that is given whole.
    """

    lateness_ns: Callable[[str], int] = lambda _rule_id: 10_000_000_000
    learns_from_ns: Callable[[], int] | None = None
    is_own: Callable[[str], bool] = lambda _rule_id: False
    settles: Callable[[str], bool] = lambda _rule_id: False
    context_wait_ns: int = 0
    expectations: Callable[[str], Expectations] = lambda _rule_id: ()
    partner_uncertainty_ns: int = 0
    watched_from_ns: int | None = None
    max_candidates: int = MAX_CANDIDATES
    budget: int = BUDGET
    is_stored: bool = True
    assume_covered: bool = False


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One correlation, ready to run.

    Attributes:
        rule: The correlation.
        lateness_ns: L of docs/explanation/order.md, `context_wait` included.
        wait_ns: Part of L that waits for context; 0 when no rule of it needs to be settled.
        cap_ns: Most that uncertainty may widen a window by.
        judged: Rules whose events are evidence only while their own uncertainty is within `max_clock_uncertainty`;
            empty when the rule states none.
        span_ns: Longest distance in time of two candidates that can belong together, without widening.
        retention_ns: How long a candidate is kept after its time.
        needs_silence: A candidate that is missing could make it fire.
        delay_ns: Longest time from what a result is about to its decision, beyond order itself.
        expectations: For an absence: covering sources of all partners.
    """

    rule: CorrelationRule
    lateness_ns: int
    wait_ns: int
    cap_ns: int
    span_ns: int
    retention_ns: int
    needs_silence: bool
    delay_ns: int
    expectations: Expectations = ()
    judged: frozenset[str] = frozenset()

    def is_in_doubt(self, rule_id: str, uncertainty_ns: int) -> bool:
        """Return whether an event's clock is worse than the rule allows its evidence to be."""
        return uncertainty_ns > self.rule.max_clock_uncertainty_ns and rule_id in self.judged


def plan_correlations(ruleset: RuleSet, settings: CorrelationSettings) -> dict[str, Plan]:
    """Plan every correlation of a rule set, and the `suppress` of single-event rules, by id."""
    plans = dict[str, Plan]()
    for correlation in ruleset.correlations.values():
        plans[correlation.meta.id] = _plan(correlation, settings, plans)
    for rule in ruleset.rules.values():
        if rule.suppress is not None:
            folded = suppressing(rule, rule.suppress)
            plans[rule.meta.id] = _plan(folded, settings, plans)
    return plans


def suppressing(rule: DetectionRule, suppress: Suppress) -> CorrelationRule:
    """Write `suppress` as what it means: an `event_count` of at least one within its timespan."""
    return CorrelationRule(
        meta=rule.meta,
        type="event_count",
        rules=(rule.meta.id,),
        group_by=suppress.group_by,
        timespan_ns=suppress.timespan_ns,
        condition=(Threshold("gte", 1),),
        # A match without the key is still a match: it must not vanish because of how repeats are folded.
        null_group="keep",
    )


def named_rules(correlation: CorrelationRule) -> tuple[str, ...]:
    """Return the ids of all rules and correlations that a correlation listens to, once each."""
    ids = [*correlation.rules, *correlation.close]
    if correlation.absence is not None:
        ids += [correlation.absence.trigger, *correlation.absence.missing]
    if correlation.during is not None:
        ids += [correlation.during.trigger, *correlation.during.open, *correlation.during.close]
    return tuple(dict.fromkeys(ids))


def _plan(correlation: CorrelationRule, settings: CorrelationSettings, plans: dict[str, Plan]) -> Plan:
    lateness_ns, wait_ns = _lateness(correlation, settings, plans)
    span_ns = _span(correlation)
    cap_ns = _cap(correlation, span_ns)
    expectations = _expectations(correlation, settings)
    widens = correlation.type in {"temporal", "temporal_ordered", "absence", "during"}
    return Plan(
        rule=correlation,
        lateness_ns=lateness_ns,
        wait_ns=wait_ns,
        cap_ns=cap_ns if widens else 0,
        span_ns=span_ns,
        retention_ns=_retention(correlation, span_ns + lateness_ns + (cap_ns if widens else 0), cap_ns, expectations),
        needs_silence=_needs_silence(correlation),
        delay_ns=_delay(correlation, min(cap_ns, 2 * settings.partner_uncertainty_ns), expectations),
        expectations=expectations,
        judged=_judged(correlation),
    )


def _lateness(correlation: CorrelationRule, settings: CorrelationSettings, plans: dict[str, Plan]) -> tuple[int, int]:
    lateness_ns = wait_ns = 0
    for rule_id in named_rules(correlation):
        inner = plans.get(rule_id)
        if inner is not None and rule_id != correlation.meta.id:
            # The level's watermark is the inner one's frontier, so an inner result is never older than its decision.
            lateness_ns = max(lateness_ns, inner.delay_ns)
        else:
            lateness_ns = max(lateness_ns, settings.lateness_ns(rule_id))
            wait_ns = max(wait_ns, settings.context_wait_ns if settings.settles(rule_id) else 0)
    return lateness_ns + wait_ns, wait_ns


def _span(correlation: CorrelationRule) -> int:
    if correlation.during is not None:
        return correlation.during.max_age_ns
    if correlation.first_seen is not None:
        return correlation.first_seen.horizon_ns
    if correlation.absence is not None:
        return max(correlation.timespan_ns, correlation.absence.cap_ns)
    return correlation.timespan_ns


def _cap(correlation: CorrelationRule, span_ns: int) -> int:
    if correlation.max_clock_uncertainty_ns:
        return correlation.max_clock_uncertainty_ns
    return (correlation.timespan_ns or span_ns) // 2


def _judged(correlation: CorrelationRule) -> frozenset[str]:
    """Return the rules that a bad clock must not speak for; what can only silence an alert is always heard."""
    if not correlation.max_clock_uncertainty_ns:
        return frozenset()
    if correlation.absence is not None:
        return frozenset((correlation.absence.trigger,))
    during = correlation.during
    if during is not None:
        return frozenset((during.trigger, *(during.open if only_grow(during.count) else ())))
    unwanted = () if correlation.expression is None else correlation.expression.unwanted()
    return frozenset(correlation.rules) - frozenset(unwanted)


def _expectations(correlation: CorrelationRule, settings: CorrelationSettings) -> Expectations:
    if correlation.absence is None or correlation.absence.coverage == "ignore":
        return ()
    found = {each.source: each for rule_id in correlation.absence.missing for each in settings.expectations(rule_id)}
    return tuple(found[source] for source in sorted(found))


def _needs_silence(correlation: CorrelationRule) -> bool:
    if correlation.absence is not None or correlation.first_seen is not None:
        return True
    during = correlation.during
    if during is not None:
        # A close, or a newer opener that does not count, could have ended what seems to be open.
        return bool(during.close or during.distinct or during.for_ns) or not only_grow(during.count)
    if correlation.expression is not None:
        return bool(correlation.expression.unwanted())
    # More events can lower all of these: a missing one could make them pass what they must exceed.
    return correlation.type in FALLING or not only_grow(correlation.condition)


def _retention(correlation: CorrelationRule, window_ns: int, cap_ns: int, expectations: Expectations) -> int:
    retention_ns = window_ns + _delay(correlation, cap_ns, expectations)
    return max(retention_ns, DECISIONS_NS) if _can_be_overturned(correlation) else retention_ns


def _delay(correlation: CorrelationRule, wait_ns: int, expectations: Expectations) -> int:
    if not _can_be_overturned(correlation) and correlation.during is None:
        return 0
    return wait_ns + max((each.expectation_ns or 0 for each in expectations), default=0)


def _can_be_overturned(correlation: CorrelationRule) -> bool:
    """Return whether something was missing in its alerts that may arrive after all."""
    expression = correlation.expression
    return correlation.absence is not None or (expression is not None and bool(expression.unwanted()))
