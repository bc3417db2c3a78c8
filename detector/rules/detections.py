"""Detection documents to detection rules, through pySigma."""

from __future__ import annotations

from typing import Any, NamedTuple

from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from detector.duration import parse_duration
from detector.rules.adaptation import Adaptation
from detector.rules.advice import advised
from detector.rules.applying import apply_pipeline
from detector.rules.condition import Condition, Or, field_paths
from detector.rules.convert import UnsupportedConditionError, convert
from detector.rules.documents import RuleDocument
from detector.rules.fieldmapping import OURS
from detector.rules.meaning import meaning_of_detection
from detector.rules.meta import read_meta, suggest
from detector.rules.model import DetectionRule, LogSource, Suppress
from detector.rules.naming import Names, joined
from detector.rules.spelling import carry_case, spelt

_NEEDED = ("title", "logsource", "detection", "status")
_DESCRIBING = ("level", "tags", "taxonomy")
"""What conditions of pipelines may ask for."""


class Parsed(NamedTuple):
    """A detection, free of YAML and of pySigma.

    Attributes:
        condition: After pipelines and placeholders.
        names: Where in it each selection stands.
        logsource: After the pipelines; empty where none was written.
        written: Log source before them.
    """

    condition: Condition
    names: Names
    logsource: LogSource
    written: LogSource


def read_detection(document: RuleDocument, adaptation: Adaptation) -> DetectionRule:
    """Read a detection rule.

    Raises:
        ValueError: It cannot be used; the message says what and what instead.
    """
    content = document.content
    parsed = parse_detection(content, adaptation)
    suppress = _suppress(content.get("suppress"))
    if suppress is not None and content.get("taxonomy") != OURS:
        names = tuple(adaptation.fields.field(name, [parsed.written]) for name in suppress.group_by)
        suppress = Suppress(suppress.timespan_ns, names)
    return DetectionRule(
        meta=read_meta(document, meaning_of_detection(parsed.condition, parsed.logsource, suppress)),
        logsource=parsed.logsource,
        condition=parsed.condition,
        field_paths=frozenset(field_paths(parsed.condition)),
        written=parsed.written,
        suppress=suppress,
        names=parsed.names,
    )


def parse_detection(content: dict[str, Any], adaptation: Adaptation) -> Parsed:
    """Read `logsource` and `detection` of a rule, and adapt them.

    Raises:
        ValueError: They cannot be used; the message says what and what instead.
    """
    detection = content.get("detection")
    if not isinstance(detection, dict):
        raise ValueError("has no `detection`; give selections and a `condition`")  # noqa: TRY004  a fault of the text
    if "condition" not in detection:
        raise ValueError(f"its detection has no `condition`{_misspelt(detection)}")
    pipeline = None if content.get("taxonomy") == OURS else adaptation.pipeline
    placeholders = adaptation.placeholders
    try:
        plain = _plain(content, described=pipeline is not None)
        rule = SigmaRule.from_dict(plain | {"detection": spelt(detection)})
        written = _logsource(rule)
        for selection in rule.detection.detections.values():
            carry_case(selection)
        if pipeline is not None:
            apply_pipeline(pipeline, rule)
        parsed = [convert(each.parsed, placeholders) for each in rule.detection.parsed_condition]
    except UnsupportedConditionError as error:
        raise ValueError(str(error)) from error
    except SigmaError as error:
        raise ValueError(advised(str(error).strip())) from error
    except (TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ValueError(f"is not a detection: {error!r}; compare it with a rule that loads") from error
    return Parsed(
        *(parsed[0] if len(parsed) == 1 else joined(Or, parsed)),
        _logsource(rule) if content.get("logsource") else LogSource(),
        written if content.get("logsource") else LogSource(),
    )


def _plain(content: dict[str, Any], *, described: bool) -> dict[str, Any]:
    """Return what pySigma needs of a rule; with all that pipelines may ask for when there are any."""
    # Ids that are no UUID are legal for us, and pySigma needs none.
    keys = (*_NEEDED, *_DESCRIBING) if described else _NEEDED
    plain = {key: content[key] for key in keys if key in content}
    if not content.get("logsource"):
        plain["logsource"] = {"category": "any"}  # pySigma insists on one
    plain.setdefault("title", "untitled")
    return plain


def _logsource(rule: SigmaRule) -> LogSource:
    source = rule.logsource
    return LogSource(category=source.category, product=source.product, service=source.service)


def _misspelt(detection: dict[str, Any]) -> str:
    for key in detection:
        if suggest(str(key), ["condition"]):
            return f"; {key!r} looks like it"
    return "; add one such as `condition: selection`"


def _suppress(value: object) -> Suppress | None:
    if value is None:
        return None
    if isinstance(value, dict):
        group_by = value.get("group-by") or value.get("group_by") or []
        names = [group_by] if isinstance(group_by, str) else group_by
        return Suppress(int(parse_duration(str(value.get("timespan", "")))), tuple(str(name) for name in names))
    return Suppress(int(parse_duration(str(value))))
