"""Fields of correlations and of `suppress`, mapped as pipelines map those of the rules that they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from sigma.exceptions import SigmaError
from sigma.processing.pipeline import ProcessingPipeline
from sigma.rule import SigmaRule

from detector.rules.applying import apply_pipeline
from detector.rules.documents import RuleDocument
from detector.rules.model import LogSource

OURS = "isthmus"
"""Taxonomy of rules whose fields are the engine's own: no pipeline concerns them."""

_OWN = f"; write the engine's own fields and `taxonomy: {OURS}`"


class Part(NamedTuple):
    """What a correlation stands on.

    Attributes:
        sources: Log sources of the detections, as written.
        aliases: Names that correlations among it gave to fields.
    """

    sources: frozenset[LogSource]
    aliases: frozenset[str] = frozenset()

    def joined(self, parts: Iterable[Part]) -> Part:
        """Return what a correlation of several parts is for those that name it."""
        every = [self, *parts]
        sources = frozenset[LogSource]().union(*(part.sources for part in every))
        return Part(sources, frozenset[str]().union(*(part.aliases for part in every)))


class FieldMapper:
    """Maps single fields.

    Args:
        pipeline: The merged pipelines; None maps nothing.
    """

    def __init__(self, pipeline: ProcessingPipeline | None) -> None:
        self._pipeline = pipeline
        self._known: dict[tuple[str, LogSource], str] = {}

    def field(self, name: str, sources: Iterable[LogSource]) -> str:
        """Return the one field that a name stands for.

        Raises:
            ValueError: It stands for several.
        """
        found = {self._mapped(name, source) for source in sources} or {name}
        if len(found) > 1:
            raise ValueError(f"field {name!r} is mapped to {' and '.join(sorted(found))}{_OWN}")
        return found.pop()

    def correlation(
        self, document: RuleDocument, parts: Mapping[str, Part], resolve: Callable[[str], str]
    ) -> RuleDocument:
        """Return a correlation with its fields mapped.

        Args:
            document: The correlation.
            parts: By id, the rules that it names.
            resolve: Name or id of a rule to its id; raises ValueError when there is none.

        Raises:
            ValueError: A field cannot be mapped to one of the events.
        """
        body = document.content.get("correlation")
        if self._pipeline is None or document.content.get("taxonomy") == OURS or not isinstance(body, dict):
            return document
        mapped = _Body(dict(body), parts, self).mapped(resolve)
        return msgspec.structs.replace(document, content={**document.content, "correlation": mapped})

    def _mapped(self, name: str, source: LogSource) -> str:
        known = self._known.get((name, source))
        if known is None:
            known = self._known[name, source] = self._apply(name, source)
        return known

    def _apply(self, name: str, source: LogSource) -> str:
        if self._pipeline is None:
            return name
        logsource = {key: value for key, value in msgspec.structs.asdict(source).items() if value is not None}
        detection = {"selection": {name: "any"}, "condition": "selection"}
        content = {"title": "a field", "logsource": logsource or {"category": "any"}, "detection": detection}
        try:
            rule = SigmaRule.from_dict({**content, "fields": [name]})
            apply_pipeline(self._pipeline, rule)
        except SigmaError as error:
            raise ValueError(f"field {name!r} cannot be mapped: {error}") from error
        if len(rule.fields) != 1:
            raise ValueError(f"field {name!r} is mapped to {' and '.join(rule.fields) or 'none'}{_OWN}")
        return str(rule.fields[0])


class _Body:
    """The body of one correlation."""

    def __init__(self, body: dict[str, Any], parts: Mapping[str, Part], mapper: FieldMapper) -> None:
        self._body = body
        self._parts = parts
        self._mapper = mapper

    def mapped(self, resolve: Callable[[str], str]) -> dict[str, Any]:
        body = self._body
        aliases = self._aliases(body.get("aliases"), resolve)
        kept = frozenset(aliases).union(*(part.aliases for part in self._parts.values()))
        if body.get("group-by"):
            body["group-by"] = [self._key(str(name), kept, aliases) for name in _listed(body["group-by"])]
        if aliases:
            body["aliases"] = aliases
        for holder in (body, condition) if isinstance(condition := body.get("condition"), dict) else (body,):
            if holder.get("field"):
                holder["field"] = [self._shared(str(name)) for name in _listed(holder["field"])]
        for key in ("key", "distinct", "until", "place"):
            if body.get(key):
                body[key] = self._shared(str(body[key]))
        return body

    def _aliases(self, aliases: Any, resolve: Callable[[str], str]) -> dict[str, Any]:  # noqa: ANN401  of YAML
        if not isinstance(aliases, dict):
            return {}
        return {
            str(alias): {
                rule: self._mapper.field(str(field), self._parts[rule_id].sources)
                if (rule_id := resolve(str(rule))) in self._parts
                else field
                for rule, field in fields.items()
            }
            if isinstance(fields, dict)
            else fields
            for alias, fields in aliases.items()
        }

    def _key(self, name: str, kept: frozenset[str], aliases: dict[str, Any]) -> str:
        """Return what events are grouped by: a field, or a new alias where the rules' fields differ."""
        if name in kept:
            return name
        fields = {rule: self._mapper.field(name, part.sources) for rule, part in self._parts.items()}
        if len(set(fields.values())) == 1:
            return next(iter(fields.values()))
        aliases[name] = fields
        return name

    def _shared(self, name: str) -> str:
        return self._mapper.field(name, (source for part in self._parts.values() for source in part.sources))


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
