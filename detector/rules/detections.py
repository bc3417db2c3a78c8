"""Detection documents and Sigma Filters to detection rules, through pySigma."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from sigma.exceptions import SigmaError
from sigma.modifiers import modifier_mapping
from sigma.processing.pipeline import ProcessingPipeline
from sigma.rule import SigmaRule

from detector.duration import parse_duration
from detector.rules.condition import And, Condition, Or, field_paths
from detector.rules.convert import UnsupportedConditionError, convert
from detector.rules.documents import RuleDocument
from detector.rules.meta import hash_of, read_meta, suggest
from detector.rules.model import DetectionRule, LogSource, Suppress
from detector.rules.spelling import spelt

_MODIFIER = re.compile(r"[Uu]nknown modifier '?(?P<name>\w+)'?")


def read_detection(document: RuleDocument, pipeline: ProcessingPipeline | None, pipeline_hash: str) -> DetectionRule:
    """Read a detection rule.

    Raises:
        ValueError: It cannot be used; the message says what and what instead.
    """
    content = document.content
    condition, logsource = _parse(content, pipeline)
    semantic = [content.get("detection"), content.get("logsource"), content.get("suppress"), pipeline_hash]
    return DetectionRule(
        meta=read_meta(document, semantic),
        logsource=logsource,
        condition=condition,
        field_paths=frozenset(field_paths(condition)),
        suppress=_suppress(content.get("suppress")),
    )


def read_filter(
    document: RuleDocument, pipeline: ProcessingPipeline | None
) -> tuple[Condition, LogSource, tuple[str, ...], str]:
    """Read a Sigma Filter.

    Returns:
        Its condition, its log source, the rules it names ("any" for all) and its hash.

    Raises:
        ValueError: It cannot be used.
    """
    content = document.content
    body = dict(content.get("filter") or {})
    named = body.pop("rules", "any")
    names = tuple(str(each) for each in named) if isinstance(named, list) else (str(named),)
    condition, logsource = _parse({**content, "detection": body}, pipeline)
    return condition, logsource, names, hash_of([body, content.get("logsource")])


def narrowed(rule: DetectionRule, condition: Condition, filter_hash: str) -> DetectionRule:
    """Return a rule that must pass a filter too."""
    both = And((rule.condition, condition))
    meta = msgspec.structs.replace(rule.meta, semantic_hash=hash_of([rule.meta.semantic_hash, filter_hash]))
    return msgspec.structs.replace(rule, meta=meta, condition=both, field_paths=frozenset(field_paths(both)))


def _parse(content: dict[str, Any], pipeline: ProcessingPipeline | None) -> tuple[Condition, LogSource]:
    detection = content.get("detection")
    if not isinstance(detection, dict):
        raise ValueError("has no `detection`; give selections and a `condition`")  # noqa: TRY004  a fault of the text
    if "condition" not in detection:
        raise ValueError(f"its detection has no `condition`{_misspelt(detection)}")
    plain = {key: value for key, value in content.items() if key not in {"filter", "correlation", "suppress"}}
    # Ids that are no UUID are legal for us, and pySigma needs neither.
    plain = {key: plain[key] for key in ("title", "logsource", "detection", "status") if key in plain}
    anywhere = not content.get("logsource")
    if anywhere:
        plain["logsource"] = {"category": "any"}  # pySigma insists on one
    plain.setdefault("title", "untitled")
    try:
        rule = SigmaRule.from_dict(spelt(plain))
        if pipeline is not None:
            pipeline.apply(rule)
        parsed = [convert(each.parsed) for each in rule.detection.parsed_condition]
    except UnsupportedConditionError as error:
        raise ValueError(str(error)) from error
    except SigmaError as error:
        raise ValueError(_readable(error)) from error
    except (TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ValueError(f"is not a detection: {error!r}") from error
    if anywhere:
        return (parsed[0] if len(parsed) == 1 else Or(tuple(parsed))), LogSource()
    source = rule.logsource
    return (
        parsed[0] if len(parsed) == 1 else Or(tuple(parsed)),
        LogSource(category=source.category, product=source.product, service=source.service),
    )


def _misspelt(detection: dict[str, Any]) -> str:
    for key in detection:
        if suggest(str(key), ["condition"]):
            return f"; {key!r} looks like it"
    return "; add one such as `condition: selection`"


def _readable(error: SigmaError) -> str:
    text = str(error).strip()
    found = _MODIFIER.search(text)
    return text + suggest(found["name"], modifier_mapping) if found else text


def _suppress(value: object) -> Suppress | None:
    if value is None:
        return None
    if isinstance(value, dict):
        group_by = value.get("group-by") or value.get("group_by") or []
        names = [group_by] if isinstance(group_by, str) else group_by
        return Suppress(parse_duration(str(value.get("timespan", ""))), tuple(str(name) for name in names))
    return Suppress(parse_duration(str(value)))
