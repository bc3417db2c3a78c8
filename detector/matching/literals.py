"""Literals that a value must contain to pass a test that is more than a literal."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache
from re import _parser as parser  # type: ignore[attr-defined]  # the standard library's own reader of the syntax
from typing import Any

from detector.matching.terms import is_searchable
from detector.matching.values import fold
from detector.rules.condition import RegexTest, TextTest, ValueTest

MAX_ALTERNATIVES = 64
"""Literals of which one must be there; more make a poor anchor."""

MAX_LITERAL = 200
"""Characters of a literal that are searched for; the rest is for the test."""

_FLAGS = re.compile(r"\A\(\?([ims]+)\)")

Needed = tuple[frozenset[str], ...]
"""Sets of folded literals: a value that passes contains at least one of each."""


@lru_cache(maxsize=4_096)  # keys are from rules, which are bounded
def needed_literals(test: ValueTest) -> Needed:
    """Return what a value must contain to pass; nothing when that cannot be told."""
    match test:
        case TextTest(parts):
            found = [frozenset({_cut(part)}) for part in parts if isinstance(part, str) and part]
        case RegexTest(pattern):
            found = _of_pattern(pattern)
        case _:
            return ()
    return tuple(dict.fromkeys(each for each in found if all(map(_is_usable, each))))


def _of_pattern(pattern: str) -> list[frozenset[str]]:
    if "[[" in pattern:  # a named class to RE2, and to this reader a set that holds a bracket
        return []
    flags = _FLAGS.match(pattern)
    try:
        # Only the shape is read; case is folded in any case and the other flags add no literal.
        with warnings.catch_warnings(action="ignore"):
            return list(_of_sequence(parser.parse(pattern[flags.end() :] if flags else pattern)))
    except (re.error, RecursionError, OverflowError):  # RE2 knows syntax, and depths, that this reader does not
        return []


def _of_sequence(items: Iterable[tuple[Any, Any]]) -> Iterator[frozenset[str]]:
    run = list[str]()
    for operation, argument in items:
        name = str(operation)
        if name == "LITERAL":
            run.append(chr(argument))
            continue
        if run:
            yield frozenset({_cut("".join(run))})
            run.clear()
        yield from _of_part(name, argument)
    if run:
        yield frozenset({_cut("".join(run))})


def _of_part(name: str, argument: Any) -> Iterator[frozenset[str]]:  # noqa: ANN401  the reader's own types
    if name == "SUBPATTERN":
        yield from _of_sequence(argument[3])
    elif name == "BRANCH":
        yield from _of_branches([list(_of_sequence(branch)) for branch in argument[1]])
    elif name in {"MAX_REPEAT", "MIN_REPEAT"} and argument[0] >= 1:
        yield from _of_sequence(argument[2])


def _of_branches(branches: list[list[frozenset[str]]]) -> Iterator[frozenset[str]]:
    if not all(branches):
        return
    longest = (max(sets, key=lambda each: min(map(len, each))) for sets in branches)
    joined = frozenset[str]().union(*longest)
    if len(joined) <= MAX_ALTERNATIVES:
        yield joined


def _cut(text: str) -> str:
    return fold(text[:MAX_LITERAL])


def _is_usable(literal: str) -> bool:
    # Characters beyond ASCII fold in more ways than one under RE2's own rules.
    return bool(literal) and is_searchable(literal) and literal.isascii()
