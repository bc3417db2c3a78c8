"""Loads rules: every document of every path, all faults in one report."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from detector.errors import RuleErrors, RuleFault
from detector.rules.adaptation import Adaptation, adapt
from detector.rules.cache import RuleCache
from detector.rules.compiling import CompiledFile, compile_file, names_of
from detector.rules.correlations import generates, named_in, read_correlation
from detector.rules.documents import RuleDocument, RuleFile, read_files
from detector.rules.fieldmapping import FieldMapper, Part
from detector.rules.filters import Filters
from detector.rules.meta import key_of, suggest
from detector.rules.model import CorrelationRule, DetectionRule, RuleMeta, RuleSet
from detector.rules.placeholders import Lists
from detector.rules.totals import Totals

MAX_LEVEL = 3
"""Levels of correlations over correlations."""

_YOUNG = 100_000
"""New objects between two looks of the garbage collector while rules are loaded; its default is 700."""

Source = str | Path
_encoder = msgspec.json.Encoder(order="deterministic")
R = TypeVar("R", DetectionRule, CorrelationRule)


def load_rules(
    sources: Source | Sequence[Source],
    *,
    pipelines: Sequence[Source] = (),
    placeholders: Lists | None = None,
    faults: list[RuleFault] | None = None,
    cache: RuleCache | None = None,
) -> RuleSet:
    """Load detection rules, correlations and filters.

    Args:
        sources: Files, folders (searched for ``*.yml``) or YAML texts.
        pipelines: Files, folders, names of bundled pipelines or of installed pySigma plugins; they apply to every
            detection but those of taxonomy `isthmus`.
        placeholders: Lists that ``|expand`` takes its values from, by name.
        faults: When given, takes what is wrong, and the rest is loaded.
        cache: Keeps what files compile to; None: every file is compiled.

    Raises:
        RuleErrors: Something is wrong and no `faults` list was given; carries every fault.
    """
    found = list[RuleFault]()
    every = [sources] if isinstance(sources, str | Path) else list(sources)
    with few_collections():
        files = [file for source in every for file in read_files(source, found)]
        ruleset = _Load(found, cache).run(files, adapt(pipelines, placeholders or {}, found))
    found.sort(key=lambda fault: (fault.path, fault.line))
    if found and faults is None:
        raise RuleErrors(found)
    if faults is not None:
        faults.extend(found)
    return ruleset


@contextmanager
def few_collections() -> Iterator[None]:
    """Let the garbage collector look seldom: nearly all of what a load makes stays."""
    thresholds = gc.get_threshold()
    gc.set_threshold(_YOUNG, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


class _Load:
    def __init__(self, faults: list[RuleFault], cache: RuleCache | None) -> None:
        self._faults = faults
        self._cache = cache
        self._rules: dict[str, DetectionRule] = {}
        self._correlations: dict[str, CorrelationRule] = {}
        self._ids: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._read: list[RuleDocument] = []
        self._parts: dict[str, Part] = {}
        self._fields = FieldMapper(None)

    def run(self, files: list[RuleFile], adaptation: Adaptation) -> RuleSet:
        compiled = self._compiled(files, adaptation)
        for file, each in zip(files, compiled, strict=True):
            self._refused.update(dict.fromkeys(map(key_of, each.refused), file.path))
            for rule in each.rules:
                if self._register(rule.meta):
                    self._rules[rule.meta.id] = rule
        documents = [document for each in compiled for document in each.documents]
        narrowing = Filters(self._rules, self._ids, self._others(documents), adaptation)
        narrowing.apply([each for each in documents if "correlation" not in each.content], self._faults)
        self._weigh()
        self._parts = {rule_id: Part(frozenset({rule.written})) for rule_id, rule in self._rules.items()}
        self._fields = adaptation.fields
        self._read_correlations([each for each in documents if "correlation" in each.content])
        self._silence_named()
        return RuleSet(self._rules, self._correlations, self._bundle_hash(), tuple(narrowing.notes))

    def _compiled(self, files: list[RuleFile], adaptation: Adaptation) -> list[CompiledFile]:
        if self._cache is None:
            return [compile_file(file, adaptation, self._faults) for file in files]
        known = self._cache.open(adaptation.hash)
        compiled = [known.compiled(file, adaptation, self._faults) for file in files]
        known.save()
        return compiled

    def _register(self, meta: RuleMeta) -> bool:
        if self._ids.get(key_of(meta.id)) is not None:
            self._faults.append(_fault_of(meta, f"{meta.id!r} is used twice", "give each rule an id of its own"))
            return False
        if self._ids.get(key_of(meta.name), meta.id) != meta.id:
            self._faults.append(_fault_of(meta, f"name {meta.name!r} is used twice", "give each rule one of its own"))
            return False
        self._ids[key_of(meta.id)] = meta.id
        self._ids[key_of(meta.name)] = meta.id
        return True

    def _weigh(self) -> None:
        """Refuse the rules that do not fit beside those before them."""
        totals = Totals()
        for rule in list(self._rules.values()):
            try:
                totals.add(rule.condition)
            except ValueError as error:
                meta = rule.meta
                what, _, instead = str(error).partition("; ")
                self._faults.append(_fault_of(meta, what, instead))
                del self._rules[meta.id]
                for name in {key_of(meta.id), key_of(meta.name)}:
                    del self._ids[name]
                    self._refused[name] = meta.path

    def _others(self, documents: list[RuleDocument]) -> dict[str, str]:
        """Return what the documents are that are no loaded detection, by name and id."""
        others = dict.fromkeys(self._refused, "refused")
        for document in documents:
            kind = "correlation" if "correlation" in document.content else "filter"
            others.update(dict.fromkeys(_own_names(document), kind))
        return {name: kind for name, kind in others.items() if name not in self._ids}

    def _read_correlations(self, documents: list[RuleDocument]) -> None:
        """Read correlations in an order in which each stands after those it names."""
        own = {name for document in documents for name in _own_names(document)}
        hashes = {rule_id: rule.meta.semantic_hash for rule_id, rule in self._rules.items()}
        waiting = documents
        while waiting:
            still = list[RuleDocument]()
            for document in waiting:
                if any(name in own and name not in self._ids for name in map(key_of, named_in(document))):
                    still.append(document)
                elif not self._read_correlation(document, hashes):
                    own -= _own_names(document)
            if len(still) == len(waiting):
                for document in waiting:
                    self._refuse(document, "names itself through other correlations; break the circle")
                return
            waiting = still

    def _read_correlation(self, document: RuleDocument, hashes: dict[str, str]) -> bool:
        try:
            ids = [self._resolve(name) for name in named_in(document)]
            level = 1 + max((self._correlations[each].level for each in ids if each in self._correlations), default=0)
            if level > MAX_LEVEL:
                raise ValueError(f"stands on level {level}; correlations of correlations go {MAX_LEVEL} levels deep")  # noqa: TRY301
            parts = {each: self._parts[each] for each in ids}
            mapped = self._fields.correlation(document, parts, self._resolve)
            correlation = read_correlation(mapped, self._resolve, hashes, level)
        except ValueError as error:
            return self._refuse(document, str(error))
        except Exception as error:  # noqa: BLE001  one of the broad catches: around one rule
            return self._refuse(document, f"is no correlation: {error!r}; compare it with one that loads")
        meta = correlation.meta
        if not self._register(meta):
            return False
        self._correlations[meta.id] = correlation
        self._parts[meta.id] = Part(frozenset(), frozenset(correlation.aliases)).joined(parts.values())
        hashes[meta.id] = meta.semantic_hash
        self._read.append(document)
        return True

    def _refuse(self, document: RuleDocument, what: str) -> bool:
        self._faults.append(document.fault(what))
        self._refused.update(dict.fromkeys(_own_names(document), document.path))
        return False

    def _resolve(self, name: str) -> str:
        found = self._ids.get(key_of(name))
        if found is not None:
            return found
        refused = self._refused.get(key_of(name))
        if refused is not None:
            raise ValueError(f"names rule {name!r}, which was refused; mend that rule in {refused} first")
        raise ValueError(f"names rule {name!r}, which does not exist{suggest(name, self._ids)}")

    def _silence_named(self) -> None:
        """A rule that only feeds correlations alerts on its own when one of them says `generate: true`."""
        silent, loud = set[str](), set[str]()
        for document in self._read:
            ids = {self._ids[name] for name in map(key_of, named_in(document))}
            (loud if generates(document) else silent).update(ids)
        for rule_id in silent - loud:
            if rule_id in self._rules:
                self._rules[rule_id] = _silenced(self._rules[rule_id])
            else:
                self._correlations[rule_id] = _silenced(self._correlations[rule_id])

    def _bundle_hash(self) -> str:
        """Hash what changes any alert: meanings and what people read, whatever the order and the places."""
        metas = [rule.meta for rule in self._rules.values()] + [each.meta for each in self._correlations.values()]
        placeless = [_placeless(meta) for meta in sorted(metas, key=lambda meta: meta.id)]
        return hashlib.sha256(_encoder.encode(placeless)).hexdigest()[:32]


def _placeless(meta: RuleMeta) -> RuleMeta:
    filters = tuple(msgspec.structs.replace(each, path="", line=0) for each in meta.filters)
    return msgspec.structs.replace(meta, path="", line=0, filters=filters)


def _fault_of(meta: RuleMeta, what: str, instead: str) -> RuleFault:
    return RuleFault(meta.path, meta.line, meta.title, what, instead, meta.id)


def _own_names(document: RuleDocument) -> set[str]:
    return {key_of(name) for name in names_of(document)}


def _silenced(rule: R) -> R:
    return msgspec.structs.replace(rule, meta=msgspec.structs.replace(rule.meta, generate=False))
