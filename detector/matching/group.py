"""Rules that are found and checked together."""

from __future__ import annotations

import msgspec

from detector.matching.code import Check

Found = tuple[int, int]
"""Event and rule, by number."""


class Group(msgspec.Struct):
    """Rules that the same anchor brings up.

    Attributes:
        rules: Their numbers.
        is_proven: They hold wherever they are brought up.
        check: Checks what the anchor did not prove; made when first needed.
    """

    rules: tuple[int, ...]
    is_proven: bool
    check: Check | None = None
