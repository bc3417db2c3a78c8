"""Loads rules: every document of every path, all faults in one report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from detector.errors import RuleErrors, RuleFault
from detector.rules.adaptation import Adaptation, adapt
from detector.rules.correlations import generates, named_in, read_correlation
from detector.rules.detections import read_detection
from detector.rules.documents import RuleDocument, read_documents
from detector.rules.filters import Filters
from detector.rules.meta import hash_of, suggest
from detector.rules.model import CorrelationRule, DetectionRule, RuleMeta, RuleSet
from detector.rules.placeholders import Lists

_UUID = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

MAX_LEVEL = 3
"""Levels of correlations over correlations."""

Source = str | Path
R = TypeVar("R", DetectionRule, CorrelationRule)


def load_rules(
    sources: Source | Sequence[Source],
    *,
    pipelines: Sequence[Source] = (),
    placeholders: Lists | None = None,
    faults: list[RuleFault] | None = None,
) -> RuleSet:
    """Load detection rules, correlations and filters.

    Args:
        sources: Files, folders (searched for ``*.yml``) or YAML texts.
        pipelines: Files, folders, names of bundled pipelines or of installed pySigma plugins; they apply to every
            detection but those of taxonomy `isthmus`.
        placeholders: Lists that ``|expand`` takes its values from, by name.
        faults: When given, takes what is wrong, and the rest is loaded.

    Raises:
        RuleErrors: Something is wrong and no `faults` list was given; carries every fault.
    """
    found = list[RuleFault]()
    every = [sources] if isinstance(sources, str | Path) else list(sources)
    documents = [document for source in every for document in read_documents(source, found)]
    ruleset = _Load(found).run(documents, adapt(pipelines, placeholders or {}, found))
    if found and faults is None:
        raise RuleErrors(found)
    if faults is not None:
        faults.extend(found)
    return ruleset


class _Load:
    def __init__(self, faults: list[RuleFault]) -> None:
        self._faults = faults
        self._rules: dict[str, DetectionRule] = {}
        self._correlations: dict[str, CorrelationRule] = {}
        self._ids: dict[str, str] = {}

    def run(self, documents: list[RuleDocument], adaptation: Adaptation) -> RuleSet:
        correlations = list[RuleDocument]()
        filters = list[RuleDocument]()
        for document in documents:
            if "correlation" in document.content:
                correlations.append(document)
            elif "filter" in document.content:
                filters.append(document)
            else:
                try:
                    self._add_rule(document, read_detection(document, adaptation))
                except ValueError as error:
                    self._faults.append(document.fault(str(error)))
        narrowing = Filters(self._rules, self._ids, self._others(documents), adaptation)
        narrowing.apply(filters, self._faults)
        self._read_correlations(correlations)
        self._silence_named([*correlations])
        hashes = sorted(meta.semantic_hash for meta in self._metas().values())
        return RuleSet(self._rules, self._correlations, hash_of(hashes), tuple(narrowing.notes))

    def _add_rule(self, document: RuleDocument, rule: DetectionRule) -> None:
        if self._register(document, rule.meta.id, rule.meta.name):
            self._rules[rule.meta.id] = rule

    def _register(self, document: RuleDocument, rule_id: str, name: str) -> bool:
        if self._ids.get(_spelt(rule_id)) is not None:
            self._faults.append(document.fault(f"id {rule_id} is used twice", "give each rule an id of its own"))
            return False
        if self._ids.get(_spelt(name), rule_id) != rule_id:
            self._faults.append(document.fault(f"name {name!r} is used twice", "give each rule a name of its own"))
            return False
        self._ids[_spelt(rule_id)] = rule_id
        self._ids[_spelt(name)] = rule_id
        return True

    def _others(self, documents: list[RuleDocument]) -> dict[str, str]:
        """Return what the documents are that are no loaded detection, by name and id."""
        others = dict[str, str]()
        for document in documents:
            kind = next((each for each in ("correlation", "filter") if each in document.content), "refused")
            names = {str(document.content[key]) for key in ("id", "name") if document.content.get(key)}
            others.update(dict.fromkeys(names - self._ids.keys(), kind))
        return others

    def _read_correlations(self, documents: list[RuleDocument]) -> None:
        """Read correlations in an order in which each stands after those it names."""
        waiting = list(documents)
        own = {name for document in documents for name in _own_names(document)}
        while waiting:
            ready = [
                d for d in waiting if all(name in self._ids or name not in own for name in map(_spelt, named_in(d)))
            ]
            if not ready:
                for document in waiting:
                    self._faults.append(document.fault("names itself through other correlations", "break the circle"))
                return
            for document in ready:
                waiting.remove(document)
                try:
                    self._read_correlation(document)
                except ValueError as error:
                    own -= _own_names(document)
                    self._faults.append(document.fault(str(error)))

    def _read_correlation(self, document: RuleDocument) -> None:
        ids = [self._resolve(name) for name in named_in(document)]
        level = 1 + max((self._correlations[each].level for each in ids if each in self._correlations), default=0)
        if level > MAX_LEVEL:
            raise ValueError(f"stands on level {level}; correlations of correlations go {MAX_LEVEL} levels deep")
        hashes = {key: meta.semantic_hash for key, meta in self._metas().items()}
        correlation = read_correlation(document, self._resolve, hashes, level)
        if self._register(document, correlation.meta.id, correlation.meta.name):
            self._correlations[correlation.meta.id] = correlation

    def _resolve(self, name: str) -> str:
        found = self._ids.get(_spelt(name))
        if found is None:
            raise ValueError(f"names rule {name!r}, which does not exist{suggest(name, self._ids)}")
        return found

    def _silence_named(self, documents: list[RuleDocument]) -> None:
        """A rule that only feeds correlations alerts on its own when one of them says `generate: true`."""
        silent, loud = set[str](), set[str]()
        for document in documents:
            ids = {self._ids[name] for name in map(_spelt, named_in(document)) if name in self._ids}
            (loud if generates(document) else silent).update(ids)
        for rule_id in silent - loud:
            if rule_id in self._rules:
                self._rules[rule_id] = _silenced(self._rules[rule_id])
            else:
                self._correlations[rule_id] = _silenced(self._correlations[rule_id])

    def _metas(self) -> dict[str, RuleMeta]:
        metas = {key: rule.meta for key, rule in self._rules.items()}
        return metas | {key: correlation.meta for key, correlation in self._correlations.items()}


def _own_names(document: RuleDocument) -> set[str]:
    return {_spelt(str(document.content[key])) for key in ("id", "name") if document.content.get(key)}


def _spelt(name: str) -> str:
    """Return a name as it is looked up: UUIDs are the same in either case."""
    return name.lower() if _UUID.fullmatch(name) else name


def _silenced(rule: R) -> R:
    return msgspec.structs.replace(rule, meta=msgspec.structs.replace(rule.meta, generate=False))
