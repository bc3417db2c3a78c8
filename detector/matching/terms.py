"""The form of a condition that plans are made of: flat And/Or/Not over terms, each with its kind and folded literal.

A term's kind says how columns of folded text are searched for it; kinds without a literal are left to the tests of
`detector.matching.values`, which the oracle uses too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from detector.matching.values import fold, text_of
from detector.rules.condition import (
    And,
    BoolTest,
    Condition,
    ExistsTest,
    FieldRefTest,
    FieldTest,
    KeywordTest,
    Not,
    NullTest,
    NumberTest,
    Or,
    TextTest,
)

Kind = Literal["equal", "prefix", "suffix", "within", "scalar", "null", "exists", "other"]

KEYWORD = "\x00keyword"
"""Stands for the field of a keyword: all values of the event, one a line."""

MISSING = "\x01\x02"
"""Text of a missing value in a column: no character of it is part of a literal that is searched for."""

SEPARATOR = "\n"

_SPECIAL = frozenset("\n\r\x01\x02")


class Term(msgspec.Struct, frozen=True):
    """A leaf.

    Attributes:
        path: Field, or `KEYWORD`.
        kind: `equal`, `prefix`, `suffix` and `within` compare folded text with `literal`; `scalar` is a test of one
            value; `other` needs the event.
        literal: Folded.
        leaf: What it was made of.
    """

    path: str
    kind: Kind
    literal: str
    leaf: FieldTest | KeywordTest

    @property
    def is_literal(self) -> bool:
        """Whether the literal alone decides."""
        return self.kind in {"equal", "prefix", "suffix", "within"}


class All(msgspec.Struct, frozen=True):
    """All parts hold."""

    parts: tuple[Tree, ...]


class Any(msgspec.Struct, frozen=True):
    """One of the parts holds."""

    parts: tuple[Tree, ...]


class No(msgspec.Struct, frozen=True):
    """The part does not hold."""

    part: Tree


Tree = All | Any | No | Term


def tree_of(condition: Condition) -> Tree:
    """Return a condition's tree: no part of an And is an And, no part of an Or an Or, nothing stands twice."""
    match condition:
        case And(parts):
            return _joined(All, [tree_of(part) for part in parts])
        case Or(parts):
            return _joined(Any, [tree_of(part) for part in parts])
        case Not(part):
            return No(tree_of(part))
        case FieldTest():
            return _field_term(condition)
        case KeywordTest():
            return _keyword_term(condition)


def paths_of(tree: Tree) -> Iterator[str]:
    """Yield the fields that a tree reads, `KEYWORD` for all values."""
    match tree:
        case All(parts) | Any(parts):
            for part in parts:
                yield from paths_of(part)
        case No(part):
            yield from paths_of(part)
        case Term(path, leaf=leaf):
            yield path
            if isinstance(leaf.test, FieldRefTest):
                yield leaf.test.field_path


def all_of(parts: list[Tree]) -> Tree | None:
    """Return the conjunction of parts; None of none."""
    return _joined(All, parts) if parts else None


def is_searchable(literal: str) -> bool:
    """Return whether a literal cannot span two lines of a column, nor be part of the text for a missing value."""
    return _SPECIAL.isdisjoint(literal)


def _joined(kind: type[All | Any], parts: list[Tree]) -> Tree:
    flat = list[Tree]()
    for part in parts:
        flat.extend(part.parts if isinstance(part, kind) else (part,))
    unique = tuple(dict.fromkeys(flat))
    return unique[0] if len(unique) == 1 else kind(unique)


def _field_term(leaf: FieldTest) -> Term:
    path, test = leaf.field_path, leaf.test
    kind: Kind = "scalar"
    literal = ""
    match test:
        case NumberTest(number):
            kind, literal = "equal", fold(text_of(number) or "")
        case BoolTest(value):
            kind, literal = "equal", "true" if value else "false"
        case TextTest(parts, cased=False):
            kind, literal = _literal(parts)
        case NullTest():
            kind = "null"
        case ExistsTest():
            kind = "exists"
        case FieldRefTest():
            kind = "other"
    if literal and not is_searchable(literal):
        kind, literal = "scalar", ""
    return Term(path, kind, literal, leaf)


def _keyword_term(leaf: KeywordTest) -> Term:
    if isinstance(leaf.test, TextTest) and not leaf.test.cased:
        parts = leaf.test.parts
        inner = [part for part in parts if part is not None]
        if len(inner) == 1 and isinstance(inner[0], str) and inner[0]:
            literal = fold(inner[0])
            if is_searchable(literal):
                return Term(KEYWORD, "within", literal, leaf)
    return Term(KEYWORD, "other", "", leaf)


def _literal(parts: tuple[str | tuple[()] | None, ...]) -> tuple[Kind, str]:
    starts, ends = bool(parts) and parts[0] is None, bool(parts) and parts[-1] is None
    inner = [part for part in parts[int(starts) : len(parts) - int(ends)] if part != ""]
    if len(inner) > 1 or (inner and not isinstance(inner[0], str)):
        return "scalar", ""
    literal = fold(inner[0]) if inner and isinstance(inner[0], str) else ""
    if (starts or ends) and not literal:
        return "scalar", ""
    kind: Kind = ("within" if ends else "suffix") if starts else ("prefix" if ends else "equal")
    return kind, literal
