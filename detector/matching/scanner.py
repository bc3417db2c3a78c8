"""Finding many literals in a text at once: by Hyperscan, or by Aho-Corasick where it has no wheel."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from importlib import import_module
from itertools import accumulate, count, repeat
from operator import add
from typing import Any, Literal, Protocol

import ahocorasick_rs
import structlog

from detector.matching.terms import SEPARATOR
from detector.matching.values import fold

hyperscan: Any
try:
    hyperscan = import_module("hyperscan")
except ImportError:  # no wheel for this processor or system
    hyperscan = None

_log = structlog.get_logger(__name__)

ScannerName = Literal["hyperscan", "ahocorasick"]


class Scanner(Protocol):
    """Literals of one field, each with a number; several may have the same.

    Attributes:
        bytes: Its memory, about.
    """

    bytes: int

    def lines(self, text: str, lines: int) -> tuple[Iterable[int], Sequence[int]]:
        """Return the line of each literal found in separated lines, and beside it its number, sometimes repeated.

        Args:
            text: Folded lines, joined by the separator, with one before the first and one after the last.
            lines: How many.
        """
        ...

    def find(self, text: str) -> Sequence[int]:
        """Return the numbers of the literals found in a text, whatever its case, sometimes repeated."""
        ...


def default_scanner() -> ScannerName:
    """Return the fastest scanner that this machine has, and say so when it is not the best there is."""
    if hyperscan is not None:
        return "hyperscan"
    _log.warning("no_hyperscan", remedy="none needed: Aho-Corasick finds the same, at about half the speed")
    return "ahocorasick"


def scanner_for(literals: Sequence[str], numbers: Sequence[int], name: ScannerName) -> Scanner:
    """Return a scanner of literals, which are folded; none of them may be empty."""
    return HyperscanScanner(literals, numbers) if name == "hyperscan" else AhoCorasickScanner(literals, numbers)


class HyperscanScanner:
    """Literals as one Hyperscan database, which minds no case of ASCII."""

    def __init__(self, literals: Sequence[str], numbers: Sequence[int]) -> None:
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[each.encode("utf-8", "surrogatepass") for each in literals],
            ids=list(numbers),
            elements=len(literals),
            flags=hyperscan.HS_FLAG_CASELESS,
            literal=True,
        )
        self._database.scratch = hyperscan.Scratch(self._database)
        self.bytes: int = self._database.size()
        self._scan = self._database.scan
        self._ends = list[int]()
        self._found = list[int]()
        # A callback that raises or returns something true would stop the scan.
        append_end, append_found = self._ends.append, self._found.append

        def both(number: int, _start: int, end: int, _flags: int, _context: Any) -> None:  # noqa: ANN401
            append_end(end)
            append_found(number)

        def which(number: int, _start: int, _end: int, _flags: int, _context: Any) -> None:  # noqa: ANN401
            append_found(number)

        self._both, self._which = both, which

    def lines(self, text: str, lines: int) -> tuple[Iterable[int], Sequence[int]]:
        """Return the lines and the numbers of the literals found."""
        buffer = text.encode("utf-8", "surrogatepass")
        self._scan(buffer, self._both)
        if not self._ends:
            return (), ()
        found = self._found.copy()
        self._found.clear()
        ends = self._ends.copy()
        self._ends.clear()
        return _lines_of(ends, buffer, b"\n", text, lines), found

    def find(self, text: str) -> Sequence[int]:
        """Return the numbers of the literals found."""
        self._scan((text if text.isascii() else fold(text)).encode("utf-8", "surrogatepass"), self._which)
        if not self._found:
            return ()
        found = self._found.copy()
        self._found.clear()
        return found


_HALVES = re.compile("[\ud800-\udfff]")

_END = 16
"""Characters at the end of a literal that are searched for; the others are compared where these are found."""

_STATE = 32
"""Bytes of an automaton for each character that is searched for, at most, as measured."""


class AhoCorasickScanner:
    """Literals as one Aho-Corasick automaton."""

    def __init__(self, literals: Sequence[str], numbers: Sequence[int]) -> None:
        self._numbers = numbers
        ends = [literal[-_END:] for literal in literals]
        self._automaton = ahocorasick_rs.AhoCorasick(ends, store_patterns=False)
        self._long = {place: literal for place, literal in enumerate(literals) if len(literal) > _END}
        self.bytes = sum(map(len, ends)) * _STATE

    def lines(self, text: str, lines: int) -> tuple[Iterable[int], Sequence[int]]:
        """Return the lines and the numbers of the literals found."""
        found = self._find(text)
        if not found:
            return (), ()
        ends = [end for _, _, end in found]
        return _lines_of(ends, text, SEPARATOR, text, lines), [self._numbers[each[0]] for each in found]

    def find(self, text: str) -> Sequence[int]:
        """Return the numbers of the literals found."""
        return [self._numbers[each[0]] for each in self._find(fold(text))]

    def _find(self, text: str) -> list[tuple[int, int, int]]:
        try:
            found = self._automaton.find_matches_as_indexes(text, overlapping=True)
        except UnicodeEncodeError:  # half of a surrogate pair, which no literal has
            found = self._automaton.find_matches_as_indexes(_HALVES.sub("\ufffd", text), overlapping=True)
        long = self._long
        return [each for each in found if each[0] not in long or text.endswith(long[each[0]], 0, each[2])]


def _lines_of(ends: list[int], buffer: Any, separator: Any, text: str, lines: int) -> Iterable[int]:  # noqa: ANN401
    """Return the line of each match. A match may end with the separator of its line, never beyond.

    Args:
        ends: Offsets just after each match, rising.
        buffer: What was scanned, bytes or text.
        separator: As the buffer's type.
        text: The text that the buffer encodes.
        lines: How many lines.
    """
    if len(ends) * 2 < lines:
        return _counted(ends, buffer.count, separator)
    if len(buffer) == len(text):
        starts = list(map(add, accumulate(map(len, text[1:-1].split(SEPARATOR)), initial=0), count(1)))
    else:
        starts = [each.end() for each in re.finditer(separator, buffer)]
    return map(add, map(bisect_left, repeat(starts), ends), repeat(-1))


def _counted(ends: list[int], occurrences: Any, separator: Any) -> list[int]:  # noqa: ANN401  bytes.count or str.count
    found: list[int] = []
    line, position = 0, 1
    for end in ends:
        if end - 1 > position:
            line += occurrences(separator, position, end - 1)
            position = end - 1
        found.append(line)
    return found
