"""The text of a condition, looked at before pySigma parses it: in our words, and within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from detector.rules.meta import suggest

MAX_WORDS = 5_000
"""Words of one condition, brackets included; the longest public one has 60."""

MAX_SELECTIONS = 1_000
"""Selections of one rule; the public rules have at most 60."""

MAX_NESTED = 30
"""Brackets in brackets; the deepest public condition has 3."""

_SHOWN = 10
"""Names of selections in a message."""

_WORD = re.compile(r"[()]|[^\s()]+")
_PATTERN = re.compile(r"[A-Za-z0-9_*]+")
_QUANTIFIERS = frozenset({"1", "any", "all"})
_OPERATORS = _QUANTIFIERS | {"and", "or", "not", "of", "them"}


def check_condition(condition: object, sizes: Mapping[str, int]) -> int:
    """Check a condition.

    Args:
        condition: A text or a list of them.
        sizes: Values of each selection.

    Returns:
        At most how many values its parts have.

    Raises:
        ValueError: It cannot be used; the message says what and what instead.
    """
    texts = condition if isinstance(condition, list) else [condition]
    if len(sizes) > MAX_SELECTIONS:
        raise ValueError(f"it has more than {MAX_SELECTIONS} selections; split the rule")
    if not texts:
        raise ValueError("`condition` is an empty list; write names of selections joined by and, or, not")
    return sum(sum(_of_text(text, sizes)) for text in texts)


def _of_text(text: object, sizes: Mapping[str, int]) -> Iterator[int]:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"`condition` is {text!r}; write names of selections joined by and, or, not")
    if "|" in text:
        raise ValueError(
            "its `condition` counts (|), which is no longer Sigma; write a correlation of type event_count"
        )
    words = _WORD.findall(text)
    _check_bounds(words)
    for position, word in enumerate(words):
        before, after = words[max(0, position - 2) : position], words[position + 1 : position + 2]
        if before[-1:] == ["of"] and before[0] in _QUANTIFIERS:
            yield _size_of_pattern(word, sizes)
        elif word in sizes:
            yield sizes[word]
        elif after == ["of"] and word not in _OPERATORS:
            raise ValueError(f"its `condition` has '{word} of', which is no quantifier; write '1 of' or 'all of'")
        elif word not in _OPERATORS and word not in {"(", ")"}:
            raise ValueError(_unknown(word, sizes))


def _check_bounds(words: list[str]) -> None:
    if len(words) > MAX_WORDS:
        raise ValueError(f"its `condition` has more than {MAX_WORDS} words; write '1 of name*'")
    depth = nots = 0
    for word in words:
        depth += (word == "(") - (word == ")")
        nots = nots + 1 if word == "not" else 0
        if depth + nots > MAX_NESTED:
            raise ValueError(f"its `condition` is nested deeper than {MAX_NESTED}; take it apart")


def _size_of_pattern(pattern: str, sizes: Mapping[str, int]) -> int:
    if not _PATTERN.fullmatch(pattern):
        raise ValueError(
            f"its `condition` has the pattern {pattern!r}, which is none; write it of letters, digits, _ and *"
        )
    wanted = "*" if pattern == "them" else pattern
    found = [
        name for name in sizes if fnmatchcase(name, wanted) and (pattern.startswith("_") or not name.startswith("_"))
    ]
    if not found:
        raise ValueError(f"its `condition` asks for {pattern!r}, which fits no selection; {_known(sizes)}")
    return sum(sizes[name] for name in found)


def _unknown(word: str, sizes: Mapping[str, int]) -> str:
    if word.lower() in _OPERATORS:
        return f"its `condition` has {word!r}, which is no operator; write it small: {word.lower()!r}"
    advice = suggest(word, sizes) or f"; {_known(sizes)}"
    return f"its `condition` names selection {word!r}, which does not exist{advice}"


def _known(sizes: Mapping[str, int]) -> str:
    names = list(sizes)
    return f"the rule has {', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''}" if names else "write one"
