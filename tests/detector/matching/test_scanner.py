"""Finding many literals at once."""

from __future__ import annotations

import pytest

from detector.matching.scanner import ScannerName, scanner_for
from tests.detector.matching.scanners import SCANNERS


@pytest.mark.parametrize("name", SCANNERS)
def test_long_literals_that_end_alike_are_told_apart(name: ScannerName) -> None:
    """Also where only their ends are searched for, and where a text has no more than the end."""
    end = "0123456789abcdef"
    scanner = scanner_for([f"x{end}", f"yy{end}", end, f"\n{end}", f"{end}0\n"], range(5), name)
    found = dict[str, set[int]]()
    for text in (end, f"x{end}", f"yy{end}", f"zx{end} yy{end}", end[1:], f"{end}0"):
        numbers, literals = scanner.lines(f"\nabc\n{text}\n", 2)
        assert set(numbers) <= {1}
        found[text] = set(literals)
    assert list(found.values()) == [{2, 3}, {0, 2}, {1, 2}, {0, 1, 2}, set(), {2, 3, 4}]
