"""Which fields of an event travel with its candidates."""

from __future__ import annotations

import re
from collections.abc import Iterable

from detector.correlation.keys import MAX_LIST, MAX_TEXT_CHARS
from detector.correlation.places import place_fields
from detector.rules.model import CorrelationRule, RuleMeta
from normalizers.event import Scalar, Value

PREFIXES = (
    "convergence.",
    "destination.",
    "file.",
    "host.",
    "network.",
    "ot.",
    "physical.",
    "process.",
    "source.",
    "user.",
    "event.action",
    "event.code",
    "event.dataset",
    "event.id",
    "event.outcome",
)
"""Fields that alerts show or that later stages group by, whatever the rule."""

MAX_FIELDS = 512
"""Fields of one candidate; a result of several parts reaches it first, an ordinary event has below 100."""

_MAX_SHAPES = 256
_MAX_SHAPE = 8_192
"""Shapes of events that are remembered, and characters of the names in each: at most 4 MiB."""

_PLACEHOLDER = re.compile(r"\{(?P<paths>[^{}]{1,500})\}")
_MIN_INT, _MAX_INT = -(2**63), 2**64 - 1


class Projection:
    """Keeps the fields of one rule's events that correlations and alerts need."""

    def __init__(self, extra: Iterable[str]) -> None:
        self._extra = tuple(sorted({path for path in extra if not path.startswith(PREFIXES)}))
        self._of_shape: dict[tuple[str, ...], tuple[str, ...]] = {}

    def __call__(self, fields: dict[str, Value]) -> dict[str, Value]:
        """Return the fields to carry, long texts and lists cut."""
        shape = tuple(fields)
        paths = self._of_shape.get(shape)
        if paths is None:
            paths = self._paths(shape)
        kept = {path: fields[path] for path in paths}
        for path, value in kept.items():
            if value.__class__ is str:
                if len(value) > MAX_TEXT_CHARS:
                    kept[path] = _bounded(value)
            elif value is not None:
                kept[path] = _bounded(value)
        return kept

    def _paths(self, shape: tuple[str, ...]) -> tuple[str, ...]:
        """Choose among the fields of an event, and remember the choice for others with the same."""
        own = [path for path in shape if path.startswith(PREFIXES)]
        paths = tuple([*own, *(path for path in self._extra if path in shape)][:MAX_FIELDS])
        if sum(map(len, shape)) <= _MAX_SHAPE:
            if len(self._of_shape) >= _MAX_SHAPES:
                self._of_shape.clear()
            self._of_shape[shape] = paths
        return paths


def needed_fields(correlation: CorrelationRule, rule_id: str) -> set[str]:
    """Return the fields that a correlation reads from events of one of its rules."""
    paths = {correlation.aliases.get(name, {}).get(rule_id, name) for name in correlation.group_by}
    paths.update(correlation.field)
    if correlation.absence is not None and correlation.absence.until is not None:
        paths.add(correlation.absence.until)
    if correlation.travel is not None:
        paths |= place_fields(correlation.travel.place)
    if correlation.during is not None:
        paths.update(path for path in (correlation.during.key, correlation.during.distinct) if path is not None)
    return paths


def sentence_fields(meta: RuleMeta) -> set[str]:
    """Return the fields that the sentence of a rule names; those of a part have its name before them."""
    found = _PLACEHOLDER.finditer(str(meta.custom.get("sentence", "")))
    return {path for each in found for path in each["paths"].split("|")} - {""}


def read_of_part(paths: Iterable[str], name: str) -> set[str]:
    """Return which fields of a part are read under these paths: its own, and those that bear its name."""
    prefix = f"{name}."
    return {path.removeprefix(prefix) for path in paths} | set(paths)


def _bounded(value: Value) -> Value:
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT_CHARS else value[:MAX_TEXT_CHARS]
    if isinstance(value, list):
        return [_bounded_scalar(each) for each in value[:MAX_LIST]]
    return _bounded_scalar(value)


def _bounded_scalar(value: Scalar) -> Scalar:
    if isinstance(value, str):
        return value[:MAX_TEXT_CHARS]
    if isinstance(value, int) and not _MIN_INT <= value <= _MAX_INT:
        return str(value)  # MessagePack has no wider integers
    return value
