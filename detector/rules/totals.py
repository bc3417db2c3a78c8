"""What the rules of one set may take together: no bundle fills the memory, however many rules or values it has."""

from __future__ import annotations

from detector.rules.condition import And, Condition, FieldTest, KeywordTest, Not, Or, RegexTest, TextTest
from detector.rules.patterns import pattern_bytes, wildcard_pattern

MAX_BYTES = 512 << 20
"""All rules, about, with everything that is made of them; SigmaHQ's 3,752 take 86 MiB of it."""

_PART = 600
_CHARACTER = 40
"""Bytes of a test or operator and of a character of a literal: in the tree, in a plan, in checks and scanners."""


class Totals:
    """Adds up the rules of one set."""

    def __init__(self) -> None:
        self.bytes = 0
        self._patterns = set[str]()

    def add(self, condition: Condition) -> None:
        """Add a rule; expressions that other rules have too cost nothing.

        Raises:
            ValueError: With it the rules would take too much; it is not added.
        """
        size, patterns = _parts_and_patterns(condition)
        new = patterns - self._patterns
        size += sum(map(pattern_bytes, new))
        if self.bytes + size > MAX_BYTES:
            raise ValueError(
                f"takes {_mib(size)} MiB, and with it the rules would take more than {_mib(MAX_BYTES)} MiB in all; "
                "load fewer rules, or shorten its lists and regular expressions"
            )
        self.bytes += size
        self._patterns |= new


def _parts_and_patterns(condition: Condition) -> tuple[int, set[str]]:
    """Return the bytes of a condition without its expressions, and these."""
    size, patterns = 0, set[str]()
    waiting = [condition]
    while waiting:
        part = waiting.pop()
        size += _PART
        if isinstance(part, And | Or):
            waiting.extend(part.parts)
        elif isinstance(part, Not):
            waiting.append(part.part)
        else:
            size += _literals(part, patterns)
    return size, patterns


def _literals(leaf: FieldTest | KeywordTest, patterns: set[str]) -> int:
    test = leaf.test
    if isinstance(test, RegexTest):
        patterns.add(test.pattern)
    elif isinstance(test, TextTest):
        if () in test.parts:
            patterns.add(wildcard_pattern(test.parts))
        return _CHARACTER * sum(len(part) for part in test.parts if isinstance(part, str))
    return 0


def _mib(size: int) -> int:
    return -(-size >> 20)
