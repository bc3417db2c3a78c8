"""Correlation documents, standard and ours, to correlation rules."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any, get_args

import msgspec

from detector.duration import parse_duration
from detector.rules.condition import Operator
from detector.rules.correlationkeys import ROLES, check_keys, check_twice
from detector.rules.documents import RuleDocument
from detector.rules.expression import RuleExpression, parse_expression
from detector.rules.meaning import meaning_of_correlation
from detector.rules.meta import read_meta, suggest
from detector.rules.model import (
    Absence,
    CorrelationRule,
    CorrelationType,
    During,
    FirstSeen,
    RuleMeta,
    Threshold,
    Travel,
)

TYPES = get_args(CorrelationType)
OPERATORS = get_args(Operator)

_MONTH_NS, _YEAR_NS = 2_629_746 * 10**9, 31_556_952 * 10**9

MAX_DURATION_NS = 100 * _YEAR_NS
"""Times are 64-bit nanoseconds: what lies a window and its widening ahead must still be one."""

_UNREAD = RuleMeta(id="", name="", title="")
"""Stands where what people read will stand: what a rule means is needed for it."""

Resolve = Callable[[str], str]
"""Name or id of a rule to its id; raises ValueError when there is none."""


class _Condition(msgspec.Struct, frozen=True):
    """What `condition` and the keys beside it say, as `CorrelationRule` has it."""

    thresholds: tuple[Threshold, ...] = ()
    expression: RuleExpression | None = None
    field: tuple[str, ...] = ()
    percentile: float | None = None


def named_in(document: RuleDocument) -> list[str]:
    """Return the names under which a correlation document refers to others, as written."""
    body = document.content.get("correlation")
    if not isinstance(body, dict):
        return []
    names = [name for key in ROLES for name in _names(body.get(key))]
    condition = body.get("condition")
    if isinstance(condition, str):
        # What is wrong with it, if anything is, `read_correlation` says.
        with contextlib.suppress(ValueError):
            names += parse_expression(condition).rules()
    return names


def generates(document: RuleDocument) -> bool:
    """Return whether the rules that a correlation names alert on their own as well.

    The specification lists `generate` beside `correlation`, its examples have it inside.
    """
    body = document.content.get("correlation")
    inside = body.get("generate") if isinstance(body, dict) else None
    return bool(document.content.get("generate", False) if inside is None else inside)


def read_correlation(
    document: RuleDocument, resolve: Resolve, hashes: Mapping[str, str], level: int
) -> CorrelationRule:
    """Read a correlation.

    Args:
        document: The YAML document.
        resolve: Names to ids.
        hashes: Semantic hash of each rule that it may name, by id.
        level: One more than that of the highest correlation that it names.

    Raises:
        ValueError: It cannot be used; the message says what and what instead.
    """
    body = document.content["correlation"]
    if not isinstance(body, dict):
        raise ValueError("`correlation` is not a mapping")  # noqa: TRY004  a fault of the text
    kind = str(body.get("type", ""))
    if kind not in TYPES:
        raise ValueError(f"correlation type {kind!r} is none of {', '.join(TYPES)}{suggest(kind, TYPES)}")
    check_keys(body, kind)
    for where in (document.content, body):
        if not isinstance(where.get("generate", False), bool):
            raise ValueError(f"generate: {where['generate']!r} is neither true nor false")  # noqa: TRY004
    rules = _rules(body, kind, resolve)
    condition = _condition(body, kind, rules, resolve)
    close = _close(body, condition, rules, resolve) if kind == "temporal" else ()
    aliases = _aliases(body.get("aliases"), resolve, (*rules, *close))
    rule = CorrelationRule(
        meta=_UNREAD,
        type=kind,  # type: ignore[arg-type]  # checked above
        rules=rules,
        group_by=tuple(_names(body.get("group-by"))),
        aliases=aliases,
        timespan_ns=_timespan(body, kind),
        condition=condition.thresholds,
        expression=condition.expression,
        field=condition.field,
        percentile=condition.percentile,
        close=close,
        level=level,
        refire=_one_of(body, "refire", ("episode", "every")),
        null_group=_one_of(body, "null_group", ("drop", "keep")),
        order=_one_of(body, "order", ("possible", "certain")),
        max_clock_uncertainty_ns=_duration(body.get("max_clock_uncertainty"), 0),
        max_episode_ns=_duration(body.get("max_episode"), 86_400 * 10**9),
        absence=_absence(body, resolve) if kind == "absence" else None,
        during=_during(body, resolve) if kind == "during" else None,
        first_seen=_first_seen(body) if kind == "first_seen" else None,
        travel=_travel(body) if kind == "travel" else None,
    )
    return msgspec.structs.replace(rule, meta=read_meta(document, meaning_of_correlation(rule, hashes)))


def _rules(body: dict[str, Any], kind: str, resolve: Resolve) -> tuple[str, ...]:
    """Return the ids of the rules of all roles, in the order written; of a condition of words, without `rules`."""
    for role in ROLES:
        check_twice(kind, [(name, resolve(name)) for name in _names(body.get(role))])
    roles = [role for role in ROLES if role != "close" or kind == "during"]
    rules = [resolve(name) for role in roles for name in _names(body.get(role))]
    condition = body.get("condition")
    if not rules and isinstance(condition, str):
        rules = parse_expression(condition).resolved(resolve).rules()
    if not rules:
        raise ValueError("names no rules")
    return tuple(rules)


def _close(body: dict[str, Any], condition: _Condition, rules: tuple[str, ...], resolve: Resolve) -> tuple[str, ...]:
    """Return the rules that end what a `temporal` alert is about."""
    close = tuple(resolve(name) for name in _names(body.get("close")))
    if close and (condition.expression is not None and condition.expression.unwanted()):
        raise ValueError("`close` ends an episode, and a condition with `not` has none; leave one of them out")
    if close and body.get("refire") == "every":
        raise ValueError("`close` ends an episode, and `refire: every` has none; leave one of them out")
    if set(close) & set(rules):
        raise ValueError("a rule of the condition cannot also be its `close`; name another one")
    return close


def _condition(body: dict[str, Any], kind: str, rules: tuple[str, ...], resolve: Resolve) -> _Condition:
    condition = body.get("condition")
    if kind in {"absence", "during", "travel"}:
        return _Condition()
    if kind == "first_seen":
        return _Condition(field=_field(body.get("field"), kind))
    if condition is None:
        if not kind.startswith("temporal"):
            raise ValueError(f"type {kind} needs a `condition` such as {{gte: 10}}")
        return _Condition((Threshold("gte", float(len(rules))),))
    if isinstance(condition, str):
        return _of_words(condition, kind, rules, resolve)
    if not isinstance(condition, dict):
        raise ValueError("`condition` is not a mapping such as {gte: 10}")  # noqa: TRY004
    found = {str(key).lower(): value for key, value in condition.items()}
    beside = {key: found.pop(key, body.get(key)) for key in ("field", "percentile")}
    check_keys({key: value for key, value in beside.items() if value is not None}, kind)
    thresholds = _thresholds(found)
    if kind.startswith("temporal"):
        _check_reachable(thresholds, kind, rules)
    return _Condition(thresholds, None, _field(beside["field"], kind), _percentile(beside["percentile"], kind))


def _of_words(text: str, kind: str, rules: tuple[str, ...], resolve: Resolve) -> _Condition:
    if not kind.startswith("temporal"):
        raise ValueError(f"type {kind} has a number as its condition, such as {{gte: 10}}, not {text[:80]!r}")
    expression = parse_expression(text).resolved(resolve)
    if set(expression.rules()) != set(rules):
        raise ValueError("`rules` and the rules of `condition` differ; leave `rules` out, or name the same ones")
    if expression.holds(()):
        raise ValueError(
            "the condition holds when nothing happens at all; join each `not` to a rule that must match by `and`"
        )
    terms = expression.parts if expression.operator == "and" else (expression,)
    if all(term.operator == "rule" for term in terms):
        return _Condition((Threshold("gte", float(len(rules))),))
    if kind == "temporal_ordered" and not all(_is_term(term) for term in terms):
        raise ValueError(
            "temporal_ordered joins rules and `not` rules by `and` only; "
            "use type temporal, or one correlation for each `or`"
        )
    return _Condition(expression=expression)


def _is_term(expression: RuleExpression) -> bool:
    inner = expression.parts[0] if expression.operator == "not" else expression
    return inner.operator == "rule"


def _check_reachable(thresholds: tuple[Threshold, ...], kind: str, rules: tuple[str, ...]) -> None:
    if kind == "temporal_ordered" and any(
        each.operator not in {"gte", "eq"} or each.value != len(rules) for each in thresholds
    ):
        raise ValueError("temporal_ordered needs all of its rules; leave `condition` out, or use type temporal")
    for each in thresholds:
        beyond = each.operator in {"gte", "eq"} and each.value > len(rules)
        if beyond or (each.operator == "gt" and each.value >= len(rules)):
            raise ValueError(f"asks for {each.operator} {each.value:g} of {len(rules)} rules, which can never be")


def _field(value: object, kind: str) -> tuple[str, ...]:
    field = tuple(_names(value))
    if kind == "first_seen" and not field:
        raise ValueError("first_seen without a field; add `field`, whose new values it reports")
    if kind.startswith("value_") and not field:
        raise ValueError(f"{kind} without a field; add `field` to its condition")
    if len(field) > 1 and kind not in {"value_count", "first_seen"}:
        raise ValueError(f"{kind} takes one field; only value_count counts several as one value")
    return field


def _percentile(value: object, kind: str) -> float | None:
    if value is None:
        if kind == "value_percentile":
            raise ValueError("value_percentile without a percentile from 0 to 100; add `percentile: 95`")
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise ValueError(f"percentile: {value!r} is not a number from 0 to 100")
    return float(value)


def _thresholds(found: dict[str, Any]) -> tuple[Threshold, ...]:
    thresholds = list[Threshold]()
    for key, value in found.items():
        if key not in OPERATORS:
            raise ValueError(
                f"unknown operator {key!r}{suggest(key, OPERATORS) or '; use one of ' + ', '.join(OPERATORS)}"
            )
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{key}: {value!r} is not a number")
        thresholds.append(Threshold(key, float(value)))  # type: ignore[arg-type]  # checked above
    if not thresholds:
        raise ValueError("the condition has no comparison; add one such as {gte: 10}")
    return tuple(thresholds)


def _absence(body: dict[str, Any], resolve: Resolve) -> Absence:
    missing = tuple(resolve(name) for name in _names(body.get("missing")))
    if not missing or not body.get("trigger"):
        raise ValueError("absence needs `trigger` and `missing`")
    if body.get("until") is not None and body.get("max") is None:
        raise ValueError("`until` needs `max`, the longest span")
    return Absence(
        trigger=resolve(_single(body, "trigger")),
        missing=missing,
        when=_one_of(body, "when", ("after", "before", "around")),
        until=None if body.get("until") is None else str(body["until"]),
        cap_ns=_duration(body.get("max"), 0),
        coverage=_one_of(body, "coverage", ("require", "report", "ignore")),
    )


def _during(body: dict[str, Any], resolve: Resolve) -> During:
    openers = tuple(resolve(name) for name in _names(body.get("open")))
    if not openers or not body.get("trigger") or not body.get("max_age"):
        raise ValueError("during needs `trigger`, `open` and `max_age`")
    count = body.get("count", {"gte": 1})
    if not isinstance(count, dict):
        raise ValueError("`count` is not a mapping such as {gte: 1}")  # noqa: TRY004  a fault of the text
    return During(
        trigger=resolve(_single(body, "trigger")),
        open=openers,
        close=tuple(resolve(name) for name in _names(body.get("close"))),
        key=None if body.get("key") is None else str(body["key"]),
        count=_thresholds({str(key).lower(): value for key, value in count.items()}),
        distinct=None if body.get("distinct") is None else str(body["distinct"]),
        for_ns=_duration(body.get("for"), 0),
        max_age_ns=_duration(body.get("max_age"), 0),
    )


def _first_seen(body: dict[str, Any]) -> FirstSeen:
    if body.get("learn") is None or body.get("horizon") is None:
        raise ValueError(
            "first_seen needs `learn`, for how long it only learns, such as 14d (0s: not at all), "
            "and `horizon`, after which a value is forgotten, such as 90d"
        )
    first_seen = FirstSeen(
        memory=_one_of(body, "memory", ("all", "last")),
        learn_ns=_duration(body["learn"], 0),
        horizon_ns=_duration(body["horizon"], 0),
    )
    if not 0 < first_seen.horizon_ns >= first_seen.learn_ns:
        raise ValueError("`horizon` is shorter than `learn`: what it learns would be forgotten; make it longer")
    return first_seen


def _travel(body: dict[str, Any]) -> Travel:
    if not _names(body.get("group-by")):
        raise ValueError("travel without `group-by`; say whose moves it compares, such as [convergence.person.id]")
    speed = body.get("speed", 900)
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not 1 <= speed <= 10_000:
        raise ValueError(f"speed: {speed!r} is not a number of km/h from 1 to 10000, such as 900")
    place = body.get("place", "convergence.location.id")
    if not isinstance(place, str) or not place:
        raise ValueError("`place` names one field, such as convergence.location.id; coordinates stand beside it")
    return Travel(place=place, speed_kmh=float(speed))


def _single(body: dict[str, Any], key: str) -> str:
    names = _names(body.get(key))
    if len(names) != 1:
        raise ValueError(f"`{key}` names exactly one rule")
    return names[0]


def _aliases(value: object, resolve: Resolve, rules: tuple[str, ...]) -> dict[str, dict[str, str]]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(each, dict) for each in value.values()):
        raise ValueError("`aliases` maps a name to {rule: field}")
    aliases = dict[str, dict[str, str]]()
    for name, fields in value.items():
        aliases[str(name)] = {resolve(str(rule)): str(path) for rule, path in fields.items()}
        if not set(aliases[str(name)]) <= set(rules):
            raise ValueError(f"alias {str(name)!r} reads a rule that the correlation does not name; leave it out")
    return aliases


def _timespan(body: dict[str, Any], kind: str) -> int:
    if kind in {"during", "first_seen"}:
        return 0
    if body.get("timespan") is None:
        raise ValueError(f"type {kind} needs a `timespan` such as 10m")
    return _duration(body["timespan"], 0)


def _duration(value: object, default: int) -> int:
    if value is None:
        return default
    text = str(value).strip()
    length_ns = next(
        (
            int(text[:-1]) * unit_ns
            for unit, unit_ns in (("M", _MONTH_NS), ("y", _YEAR_NS))
            if text.endswith(unit) and text[:-1].isdecimal() and len(text) < 8
        ),
        None,
    )
    length_ns = int(parse_duration(text)) if length_ns is None else length_ns
    if not 0 <= length_ns <= MAX_DURATION_NS:
        raise ValueError(f"{text!r} is no length of time from 0 s to 100 years")
    return length_ns


def _one_of(body: dict[str, Any], key: str, choices: tuple[str, ...]) -> Any:  # noqa: ANN401  a literal of the model
    value = str(body.get(key, choices[0]))
    if value not in choices:
        raise ValueError(f"{key}: {value!r} is none of {', '.join(choices)}{suggest(value, choices)}")
    return value


def _names(value: object) -> list[str]:
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]
