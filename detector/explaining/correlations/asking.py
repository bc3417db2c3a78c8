"""What a correlation asks for, in one sentence."""

from __future__ import annotations

from collections.abc import Iterable

from detector.explaining.correlations.counting import unit_of
from detector.explaining.correlations.words import Words, compared, length
from detector.rules.expression import RuleExpression
from detector.rules.model import Absence, CorrelationRule, During, FirstSeen


def asks(rule: CorrelationRule, words: Words) -> str:
    """Say what must happen for a correlation to fire."""
    group = f", for one {' and '.join(rule.group_by)}" if rule.group_by else ""
    closes = " or ".join(words.rule(each) for each in rule.close)
    return f"{_what(rule, words)}{group}{f'; over once {closes} follows' if closes else ''}"


def _what(rule: CorrelationRule, words: Words) -> str:
    span = length(rule.timespan_ns)
    names = _listed(words.rule(each) for each in rule.rules)
    ours = _ours(rule, span, names, words)
    if ours:
        return ours
    if rule.expression is not None:
        return f"{_expression(rule.expression, words)} within {span}{_order(rule)}"
    if rule.type == "temporal_ordered":
        return f"{names} in this order within {span}{_order(rule)}"
    many = compared(rule.condition)
    if rule.type == "temporal":
        return f"{many} of {names} within {span}"
    if rule.type in {"event_count", "value_count"}:
        return f"{many} {unit_of(rule)} of {names} within {span}"
    return f"{unit_of(rule)} {many} over events of {names} within {span}"


def _ours(rule: CorrelationRule, span: str, names: str, words: Words) -> str:
    """Say what one of our types asks for; empty for the standard ones."""
    if rule.absence is not None:
        return _absence(rule.absence, span, words)
    if rule.during is not None:
        return _during(rule.during, words)
    if rule.first_seen is not None:
        return _first_seen(rule, rule.first_seen, names)
    if rule.travel is not None:
        where = f"{names} at two places (`{rule.travel.place}`) within {span}"
        return f"{where}, sooner than the way between them takes (at most {rule.travel.speed_kmh:g} km/h)"
    return ""


def _absence(absence: Absence, span: str, words: Words) -> str:
    partners = " or ".join(words.rule(each) for each in absence.missing)
    until = (
        f"until {span} after its `{absence.until}`" if absence.until is not None else f"within {span} {absence.when}"
    )
    return f"{words.rule(absence.trigger)} without {partners} {until if absence.until else until + ' it'}"


def _during(during: During, words: Words) -> str:
    many = compared(during.count)
    openers = " or ".join(words.rule(each) for each in during.open)
    closes = " or ".join(words.rule(each) for each in during.close)
    until = f", not closed by {closes}" if closes else ""
    return f"{words.rule(during.trigger)} while {many} {openers} of the last {length(during.max_age_ns)} is open{until}"


def _first_seen(rule: CorrelationRule, first_seen: FirstSeen, names: str) -> str:
    what = f"{names} with a `{' and '.join(rule.field)}`"
    new = "other than the one before" if first_seen.memory == "last" else "never seen before"
    learned = f", once it has learned for {length(first_seen.learn_ns)}" if first_seen.learn_ns else ""
    return f"{what} {new} within {length(first_seen.horizon_ns)}{learned}"


def _expression(expression: RuleExpression, words: Words) -> str:
    if expression.operator == "rule":
        return words.rule(expression.rule)
    parts = [_expression(part, words) for part in expression.parts]
    if expression.operator == "not":
        return f"not {parts[0]}"
    return f"({f' {expression.operator} '.join(parts)})"


def _order(rule: CorrelationRule) -> str:
    return ", in certain order" if rule.order == "certain" else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
