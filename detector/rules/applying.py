"""Applying processing pipelines, under which rules cannot grow without bound."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.tracking import FieldMappingTracking
from sigma.processing.transformations import (
    AddConditionTransformation,
    AddFieldnamePrefixTransformation,
    AddFieldnameSuffixTransformation,
    ChangeLogsourceTransformation,
    FieldMappingTransformation,
)
from sigma.rule import SigmaDetection, SigmaDetectionItem, SigmaRule
from sigma.types import SigmaString, SigmaType

GROWTH = 8
"""A rule may become this many times as large by a pipeline."""

FREE_VALUES = 2_000
"""And this many values larger: small rules may grow more."""

LONGEST = 5_000
"""Characters of a value that an item may change; pySigma's replacements take time that grows with their square."""

_STEADY = (
    AddConditionTransformation,
    AddFieldnamePrefixTransformation,
    AddFieldnameSuffixTransformation,
    ChangeLogsourceTransformation,
)


def apply_pipeline(pipeline: ProcessingPipeline, rule: SigmaRule) -> None:
    """Apply all items as pySigma does, and look at the rule's size before each that can make it grow.

    Args:
        pipeline: Keeps what was applied to the last rule, as pySigma's conditions ask for it.
        rule: Is changed.

    Raises:
        ValueError: The rule has become too large; the message says by which item.
        SigmaError: As pySigma does.
    """
    pipeline.applied, pipeline.applied_ids, pipeline.state = [], set(), {}
    pipeline.field_name_applied_ids = defaultdict(set)
    pipeline.field_mappings = FieldMappingTracking()
    growing = [_grows(item) for item in pipeline.items]
    allowed = GROWTH * sum(1 for _ in _values(rule)) + FREE_VALUES if any(growing) else 0
    for item, grows in zip(pipeline.items, growing, strict=True):
        if grows and item.match_rule_conditions(rule):
            _check_size(rule, item, allowed)
        applied = item.apply(rule)
        pipeline.applied.append(applied)
        if applied and item.identifier:
            pipeline.applied_ids.add(item.identifier)


def _grows(item: ProcessingItem) -> bool:
    made = item.transformation
    if isinstance(made, FieldMappingTransformation):
        return any(isinstance(targets, list) for targets in made.mapping.values())
    return not isinstance(made, _STEADY)


def _check_size(rule: SigmaRule, item: ProcessingItem, allowed: int) -> None:
    count = 0
    for count, value in enumerate(_values(rule), start=1):  # noqa: B007  the last one is the number of all
        if isinstance(value, SigmaString) and len(value) > LONGEST:
            raise ValueError(f"has a value of more than {LONGEST} characters before item {item.identifier}; shorten it")
    if count > allowed:
        raise ValueError(f"has grown to {count} values before pipeline item {item.identifier}; map to fewer")


def _values(rule: SigmaRule) -> Iterator[SigmaType]:
    for detection in rule.detection.detections.values():
        for item in _items(detection):
            yield from item.value


def _items(detection: SigmaDetection) -> Iterator[SigmaDetectionItem]:
    for item in detection.detection_items:
        if isinstance(item, SigmaDetection):
            yield from _items(item)
        else:
            yield item
