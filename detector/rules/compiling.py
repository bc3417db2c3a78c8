"""What one file of rules becomes, whatever stands in the others: the unit of the compiled cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from detector.errors import RuleFault
from detector.rules.adaptation import Adaptation
from detector.rules.detections import read_detection
from detector.rules.documents import RuleDocument, RuleFile, documents_of
from detector.rules.meta import check_keys
from detector.rules.model import DetectionRule


class CompiledFile(msgspec.Struct, frozen=True):
    """One file.

    Attributes:
        rules: Its detections, in order.
        documents: Its correlations and filters: what they mean depends on other files.
        refused: Names and ids of documents that have a fault.
    """

    rules: list[DetectionRule]
    documents: list[RuleDocument]
    refused: list[str] = []


def compile_file(file: RuleFile, adaptation: Adaptation, faults: list[RuleFault]) -> CompiledFile:
    """Compile the detections of a file.

    Args:
        file: The file.
        adaptation: Pipelines and lists.
        faults: Takes what is wrong.
    """
    compiled = CompiledFile([], [], [])
    for document in documents_of(file, faults):
        if "correlation" in document.content or "filter" in document.content:
            compiled.documents.append(document)
            continue
        try:
            compiled.rules.append(read_detection(document, adaptation))
        except ValueError as error:
            faults.extend(document.fault(what) for what in _wrongs(document, str(error)))
        except Exception as error:  # noqa: BLE001  one of the broad catches: around one rule
            faults.append(document.fault(f"is no rule: {error!r}", "compare it with a rule that loads"))
        else:
            continue
        compiled.refused.extend(names_of(document))
    return compiled


def _wrongs(document: RuleDocument, first: str) -> Iterator[str]:
    """Yield what is wrong with a document: what stopped it, and a misspelt key beside that."""
    yield first
    try:
        check_keys(document)
    except ValueError as error:
        if str(error) != first:
            yield str(error)


def placed(compiled: CompiledFile, file: RuleFile) -> CompiledFile:
    """Return a compiled file as one of another path: what a cache keeps knows the text alone."""
    text = file.content.decode() if compiled.documents else ""
    return CompiledFile(
        [_at(rule, file.path) for rule in compiled.rules],
        [msgspec.structs.replace(each, path=file.path, text=text) for each in compiled.documents],
        compiled.refused,
    )


def names_of(document: RuleDocument) -> Iterable[str]:
    """Return id and name as written, those that there are."""
    return [str(document.content[key]) for key in ("id", "name") if document.content.get(key)]


def _at(rule: DetectionRule, path: str) -> DetectionRule:
    return msgspec.structs.replace(rule, meta=msgspec.structs.replace(rule.meta, path=path))
