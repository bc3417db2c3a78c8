"""Correlation documents, standard and ours, to correlation rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from detector.duration import parse_duration
from detector.rules.documents import RuleDocument
from detector.rules.meta import read_meta, suggest
from detector.rules.model import Absence, CorrelationRule, CorrelationType, During, Operator, Threshold

TYPES = get_args(CorrelationType)
OPERATORS = get_args(Operator)
KEYS = frozenset(
    {
        "type", "rules", "group-by", "timespan", "condition", "aliases", "generate", "field", "percentile", "refire",
        "null_group", "order", "max_clock_uncertainty", "max_episode", "trigger", "missing", "when", "until", "max",
        "coverage", "open", "close", "key", "count", "distinct", "for", "max_age",
    }
)  # fmt: skip
ROLES = ("rules", "trigger", "missing", "open", "close")
"""Keys that name other rules."""

_MONTH_NS, _YEAR_NS = 2_629_746 * 10**9, 31_556_952 * 10**9

Resolve = Callable[[str], str]
"""Name or id of a rule to its id; raises ValueError when there is none."""


def named_in(document: RuleDocument) -> list[str]:
    """Return the names under which a correlation document refers to others, as written."""
    body = document.content.get("correlation")
    if not isinstance(body, dict):
        return []
    return [name for key in ROLES for name in _names(body.get(key))]


def generates(document: RuleDocument) -> bool:
    """Return whether the rules that a correlation names alert on their own as well."""
    body = document.content.get("correlation")
    return isinstance(body, dict) and bool(body.get("generate", False))


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
    for key in body:
        if key not in KEYS:
            raise ValueError(f"unknown key {key!r} in `correlation`{suggest(str(key), KEYS)}")
    kind = str(body.get("type", ""))
    if kind in {"first_seen", "travel"}:
        raise ValueError(f"type {kind} is not supported yet")
    if kind not in TYPES:
        raise ValueError(f"correlation type {kind!r} is none of {', '.join(TYPES)}{suggest(kind, TYPES)}")
    rules = tuple(resolve(name) for name in named_in(document))
    condition, field, percentile = _condition(body, kind, len(rules))
    semantic = [
        {key: value for key, value in body.items() if key not in ROLES},
        [[key, [hashes[resolve(name)] for name in _names(body.get(key))]] for key in ROLES],
    ]
    return CorrelationRule(
        meta=read_meta(document, semantic),
        type=kind,  # type: ignore[arg-type]  # checked above
        rules=rules,
        group_by=tuple(_names(body.get("group-by"))),
        aliases=_aliases(body.get("aliases"), resolve),
        timespan_ns=_timespan(body, kind),
        condition=condition,
        field=field,
        percentile=percentile,
        level=level,
        refire=_one_of(body, "refire", ("episode", "every")),
        null_group=_one_of(body, "null_group", ("drop", "keep")),
        order=_one_of(body, "order", ("possible", "certain")),
        max_clock_uncertainty_ns=_duration(body.get("max_clock_uncertainty"), 0),
        max_episode_ns=_duration(body.get("max_episode"), 86_400 * 10**9),
        absence=_absence(body, resolve) if kind == "absence" else None,
        during=_during(body, resolve) if kind == "during" else None,
    )


def _condition(
    body: dict[str, Any], kind: str, rules: int
) -> tuple[tuple[Threshold, ...], tuple[str, ...], float | None]:
    condition = body.get("condition")
    if kind in {"absence", "during"}:
        return (), (), None
    if condition is None:
        if not kind.startswith("temporal"):
            raise ValueError(f"type {kind} needs a `condition` such as {{gte: 10}}")
        return (Threshold("gte", float(rules)),), (), None
    if isinstance(condition, str):
        raise ValueError("conditions of words (`a and not b`) are not supported yet; use absence or k of n")  # noqa: TRY004
    if not isinstance(condition, dict):
        raise ValueError("`condition` is not a mapping such as {gte: 10}")  # noqa: TRY004
    found = {str(key).lower(): value for key, value in condition.items()}
    field = tuple(_names(found.pop("field", body.get("field"))))
    percentile = found.pop("percentile", body.get("percentile"))
    return _thresholds(found), field, None if percentile is None else float(percentile)


def _thresholds(found: dict[str, Any]) -> tuple[Threshold, ...]:
    thresholds = list[Threshold]()
    for key, value in found.items():
        if key not in OPERATORS:
            raise ValueError(
                f"unknown operator {key!r}{suggest(key, OPERATORS) or '; use one of ' + ', '.join(OPERATORS)}"
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{key}: {value!r} is not a number")  # noqa: TRY004
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
    count = body.get("count")
    return During(
        trigger=resolve(_single(body, "trigger")),
        open=openers,
        close=tuple(resolve(name) for name in _names(body.get("close"))),
        key=None if body.get("key") is None else str(body["key"]),
        count=_thresholds({str(k).lower(): v for k, v in count.items()})
        if isinstance(count, dict)
        else (Threshold("gte", 1),),
        distinct=None if body.get("distinct") is None else str(body["distinct"]),
        for_ns=_duration(body.get("for"), 0),
        max_age_ns=_duration(body.get("max_age"), 0),
    )


def _single(body: dict[str, Any], key: str) -> str:
    names = _names(body.get(key))
    if len(names) != 1:
        raise ValueError(f"`{key}` names exactly one rule")
    return names[0]


def _aliases(value: object, resolve: Resolve) -> dict[str, dict[str, str]]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(each, dict) for each in value.values()):
        raise ValueError("`aliases` maps a name to {rule: field}")
    return {str(name): {resolve(str(rule)): str(path) for rule, path in each.items()} for name, each in value.items()}


def _timespan(body: dict[str, Any], kind: str) -> int:
    if kind == "during":
        return 0
    if body.get("timespan") is None:
        raise ValueError(f"type {kind} needs a `timespan` such as 10m")
    return _duration(body["timespan"], 0)


def _duration(value: object, default: int) -> int:
    if value is None:
        return default
    text = str(value).strip()
    for unit, unit_ns in (("M", _MONTH_NS), ("y", _YEAR_NS)):
        if text.endswith(unit) and text[:-1].isdigit() and len(text) < 8:
            return int(text[:-1]) * unit_ns
    return int(parse_duration(text))


def _one_of(body: dict[str, Any], key: str, choices: tuple[str, ...]) -> Any:  # noqa: ANN401  a literal of the model
    value = str(body.get(key, choices[0]))
    if value not in choices:
        raise ValueError(f"{key}: {value!r} is none of {', '.join(choices)}{suggest(value, choices)}")
    return value


def _names(value: object) -> list[str]:
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]
