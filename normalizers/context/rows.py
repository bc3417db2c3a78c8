"""What the context log holds."""

from __future__ import annotations

from typing import Any

import msgspec

ALWAYS_KNOWN = -(2**63)
"""`known_at_ns` of a table's first publication: known before every event."""


class ContextRows(msgspec.Struct, frozen=True):
    """Rows of one context table, in the order of the context log.

    Attributes:
        table: Such as ``approvals``.
        known_at_ns: When they were learned; `ALWAYS_KNOWN` for a table's first publication.
        rows: Rows as builtins of the table's Struct.
        current_to_ns: Set on a marker: the feed is complete up to this time.
        replace: True when the rows are the whole table (a file), not additions.
    """

    table: str
    known_at_ns: int
    rows: tuple[dict[str, Any], ...] = ()
    current_to_ns: int | None = None
    replace: bool = False
