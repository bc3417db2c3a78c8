"""Which keys a correlation may have, by its type: one that means nothing there is a slip, not decoration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from detector.rules.meta import suggest

ROLES = ("rules", "trigger", "missing", "open", "close")
"""Keys that name other rules."""

_COMMON = frozenset({"type", "group-by", "aliases", "generate", "null_group"})
_WINDOWED = _COMMON | {"rules", "timespan", "condition", "refire", "max_episode"}
_VALUE = _WINDOWED | {"field"}
_TEMPORAL = _WINDOWED | {"max_clock_uncertainty"}

KEYS: dict[str, frozenset[str]] = {
    "event_count": _WINDOWED,
    "value_count": _VALUE,
    "value_sum": _VALUE,
    "value_avg": _VALUE,
    "value_median": _VALUE,
    "value_percentile": _VALUE | {"percentile"},
    "temporal": _TEMPORAL | {"close"},
    "temporal_ordered": _TEMPORAL | {"order"},
    "absence": _COMMON
    | {"trigger", "missing", "when", "timespan", "until", "max", "coverage", "max_clock_uncertainty"},
    "during": _COMMON
    | {"trigger", "open", "close", "key", "count", "distinct", "for", "max_age", "max_clock_uncertainty"},
    "travel": _COMMON | {"rules", "timespan", "place", "speed"},
    "first_seen": _COMMON | {"rules", "field", "memory", "learn", "horizon"},
}
"""Correlation type to its keys; those in the condition of a value type may stand beside it as well."""

_EVERY = frozenset[str]().union(*KEYS.values())

_SLIPS = {"timeframe": "timespan", "window": "timespan", "by": "group-by", "groups": "group-by", "alias": "aliases"}
"""What people write who come from other languages; too far from ours for a comparison of letters."""

_INSTEAD = {
    ("absence", "rules"): "name them under `trigger` and `missing`",
    ("during", "rules"): "name them under `trigger`, `open` and `close`",
    ("during", "timespan"): "an interval is open for at most `max_age`",
    ("during", "condition"): "how many must be open is `count`",
    ("travel", "condition"): "each move that is too fast alerts",
    ("travel", "refire"): "each move that is too fast alerts",
    ("travel", "field"): "where an event happened is `place`",
    ("travel", "max_clock_uncertainty"): "the clocks' doubt counts in full: it never makes a move impossible",
    ("first_seen", "timespan"): "a value is remembered for `horizon`",
    ("first_seen", "condition"): "each value that is new alerts",
    ("first_seen", "refire"): "each value that is new alerts",
    ("absence", "condition"): "the partners that must not come are `missing`",
    ("event_count", "field"): "values are counted by type value_count",
    ("temporal", "order"): "order is asked for by type temporal_ordered",
    ("event_count", "order"): "order is asked for by type temporal_ordered",
}


def check_keys(body: Mapping[object, object], kind: str) -> None:
    """Refuse keys that are unknown or have no meaning for a type.

    Raises:
        ValueError: There is one; the message says which and what instead.
    """
    for key in map(str, body):
        if key not in _EVERY:
            raise ValueError(f"unknown key {key!r} in `correlation`{_slip(key) or suggest(key, KEYS[kind])}")
        if key not in KEYS[kind]:
            raise ValueError(f"`{key}` has no meaning for type {kind}; {_INSTEAD.get((kind, key)) or _others(key)}")


def check_twice(kind: str, written: Iterable[tuple[str, str]]) -> None:
    """Refuse a list that names one rule twice; a sequence may come back to a rule.

    Args:
        kind: Type of the correlation.
        written: Name as written and id of each rule of one list.

    Raises:
        ValueError: A rule stands twice.
    """
    seen = set[str]()
    for name, rule_id in written:
        if rule_id in seen and kind != "temporal_ordered":
            raise ValueError(f"names rule {name!r} twice; name it once, or use type temporal_ordered for a sequence")
        seen.add(rule_id)


def _slip(key: str) -> str:
    meant = _SLIPS.get(key.lower())
    return f"; did you mean {meant!r}?" if meant else ""


def _others(key: str) -> str:
    return "it belongs to " + ", ".join(kind for kind, keys in KEYS.items() if key in keys)
