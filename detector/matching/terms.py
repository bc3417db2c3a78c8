"""The form of a condition that plans are made of: flat And/Or/Not over terms, which a literal decides, and tests.

A term's kind says how columns of folded text are searched for its literal. Tests are left to the functions of
`detector.matching.values`, which the oracle uses too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
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

KEYWORD = "\x00keyword"
"""Stands for the field of a keyword: all values of the event, one a line."""

MISSING = "\x01\x02"
"""Text of a missing value in a column: no character of it is part of a literal that is searched for."""

SEPARATOR = "\n"

_SPECIAL = re.compile("[\n\r\x00\x01\x02\ud800-\udfff]")

ABSENT = 1e-4
"""Expected hits an event of a field that a stream never has: hardly any, yet fewer literals are better."""

_UNSEEN = 0.1
_SCAN = 1.3
"""Cost of a hit in a scanned text against one in a table of exact values."""

_PRESENCE = 3.0
"""Cost of trying a rule whenever a field is there, against one hit of a literal."""

_RARITY = [_UNSEEN * math.exp(-length / 4) + ABSENT for length in range(64)]
"""Expected hits an event of a literal that a stream did not show yet, by its length."""

TermKind = Literal["equal", "prefix", "suffix", "within", "present"]
_KINDS: Mapping[tuple[bool, bool], TermKind] = {
    (False, False): "equal",
    (False, True): "prefix",
    (True, False): "suffix",
    (True, True): "within",
}
"""By whether anything may stand before and after."""

TestKind = Literal["scalar", "null", "exists", "other"]


class Term(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A literal in a field; with kind `present` any value, which finds rules but decides none.

    Attributes:
        path: Field, or `KEYWORD`.
        kind: How folded text is compared with the literal.
        literal: Folded.
        framed: With the separators that stand for the beginning and end of a value.
        weight: Cost of a hit.
        unseen: Hits an event to expect though a sample has none; longer literals are thought rarer.
    """

    path: str
    kind: TermKind
    literal: str
    framed: str
    weight: float
    unseen: float


class Test(msgspec.Struct, frozen=True, gc=False):
    """A leaf that no literal decides: `scalar` tests one value, `other` needs the event."""

    path: str
    kind: TestKind
    leaf: FieldTest | KeywordTest


class All(msgspec.Struct, frozen=True, gc=False):
    """All parts hold."""

    parts: tuple[Tree, ...]


class Any(msgspec.Struct, frozen=True, gc=False):
    """One of the parts holds."""

    parts: tuple[Tree, ...]


class No(msgspec.Struct, frozen=True, gc=False):
    """The part does not hold."""

    part: Tree


Tree = All | Any | No | Term | Test


class Terms:
    """The terms of some rules; each literal of a field and kind is one object."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, TermKind, str], Term] = {}
        self._reads: set[str] = set()

    def of(self, path: str, kind: TermKind, literal: str) -> Term:
        """Return the term of a folded literal."""
        key = (path, kind, literal)
        term = self._known.get(key)
        if term is None:
            term = self._known[key] = _term(path, kind, literal)
        return term

    def tree_of(self, condition: Condition) -> tuple[Tree, frozenset[str]]:
        """Return a condition's tree and the fields that it reads, `KEYWORD` for all values.

        No part of an And is an And, no part of an Or an Or, and nothing stands twice.
        """
        self._reads.clear()
        tree = self._tree(condition)
        return tree, frozenset(self._reads)

    def _tree(self, condition: Condition) -> Tree:
        match condition:
            case FieldTest():
                return self._field(condition)
            case And(parts):
                return _joined(All, [self._tree(part) for part in parts])
            case Or(parts):
                return _joined(Any, [self._tree(part) for part in parts])
            case Not(part):
                return No(self._tree(part))
            case KeywordTest():
                return self._keyword(condition)

    def _field(self, leaf: FieldTest) -> Tree:
        path, test = leaf.field_path, leaf.test
        self._reads.add(path)
        if isinstance(test, TextTest):  # most are
            found = None if test.cased else _literal(test.parts)
            return Test(path, "scalar", leaf) if found is None else self.of(path, *found)
        match test:
            case NumberTest(number):
                return self.of(path, "equal", fold(text_of(number) or ""))
            case BoolTest(value):
                return self.of(path, "equal", "true" if value else "false")
            case NullTest():
                return Test(path, "null", leaf)
            case ExistsTest():
                return Test(path, "exists", leaf)
            case FieldRefTest(other):
                self._reads.add(other)
                return Test(path, "other", leaf)
            case _:
                return Test(path, "scalar", leaf)

    def _keyword(self, leaf: KeywordTest) -> Tree:
        self._reads.add(KEYWORD)
        if isinstance(leaf.test, TextTest) and not leaf.test.cased:
            found = _literal((None, *(part for part in leaf.test.parts if part is not None), None))
            if found is not None:
                return self.of(KEYWORD, *found)
        return Test(KEYWORD, "other", leaf)


def all_of(parts: list[Tree]) -> Tree | None:
    """Return the conjunction of parts; None of none."""
    return _joined(All, parts) if parts else None


def is_searchable(literal: str) -> bool:
    """Return whether a scanner can find a literal.

    One cannot that spans two lines of a column, is part of the text for a missing value or holds half of a surrogate
    pair; and Hyperscan reads a literal to its first null only.
    """
    return literal.isprintable() or _SPECIAL.search(literal) is None


def _term(path: str, kind: TermKind, literal: str) -> Term:
    if kind == "present":
        return Term(path, kind, literal, "", _PRESENCE, ABSENT)
    framed, weight = literal, _SCAN
    if kind == "equal":
        framed, weight = f"{SEPARATOR}{literal}{SEPARATOR}", 1.0
    elif kind == "prefix":
        framed = f"{SEPARATOR}{literal}"
    elif kind == "suffix":
        framed = f"{literal}{SEPARATOR}"
    return Term(path, kind, literal, framed, weight, _RARITY[min(len(literal), 63)])


def _joined(kind: type[All | Any], parts: list[Tree]) -> Tree:
    flat: list[Tree] = []
    for part in parts:
        if isinstance(part, kind):
            flat.extend(part.parts)
        else:
            flat.append(part)
    unique = tuple(dict.fromkeys(flat))
    return unique[0] if len(unique) == 1 else kind(unique)


def _literal(parts: tuple[str | tuple[()] | None, ...]) -> tuple[TermKind, str] | None:
    """Return the only literal of a text, and where it stands; None when there is not one that can be searched for."""
    if "" in parts or not parts:
        parts = tuple(part for part in parts if part != "") or ("",)
    starts, ends = parts[0] is None, parts[-1] is None
    if len(parts) != 1 + starts + ends:
        return None
    text = parts[starts]
    if not isinstance(text, str):
        return None
    literal = fold(text)
    return (_KINDS[starts, ends], literal) if is_searchable(literal) else None
