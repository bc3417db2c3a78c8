"""Bitemporal rows of one table: what was known when, and true when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Generic, TypeVar

import msgspec

from normalizers.context.columns import Table, key_of
from normalizers.context.rows import ALWAYS_KNOWN
from normalizers.context.schema import Row

Key = tuple[object, ...]
R = TypeVar("R", bound=Row)
FOREVER: Final = 2**63 - 1
_VALIDITY = frozenset({"valid_from_ns", "valid_to_ns", "part"})


class Entry(msgspec.Struct):
    """One statement about a keyed thing.

    Attributes:
        row: The statement.
        known_from_ns: When it was learned.
        known_to_ns: When a later publication of the whole table took its place.
        from_file: It came as part of a whole table.
    """

    row: Row
    known_from_ns: int
    known_to_ns: int = FOREVER
    from_file: bool = False


class History(Generic[R]):
    """All statements of one table, by key.

    Attributes:
        timeless: Every row was always known and always true, so that lookups need no time.

    Statements of one key are merged column by column: an empty column is not stated, a later known one wins, and
    lists of several parts (the approvers of a ticket) are joined.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._entries: dict[Key, list[Entry]] = {}
        self.timeless = True

    def __iter__(self) -> Iterator[Key]:
        return iter(self._entries)

    def add(self, rows: list[R], known_at_ns: int, *, replace: bool) -> None:
        """Take rows; a whole table ends what earlier whole tables said."""
        if replace and self._entries:
            self.timeless = False
            for entries in self._entries.values():
                for entry in entries:
                    if entry.from_file and entry.known_to_ns > known_at_ns:
                        entry.known_to_ns = known_at_ns
        for row in rows:
            entries = self._entries.setdefault(key_of(self._table, row), [])
            entries.append(Entry(row, known_at_ns, from_file=replace))
            plain = row.valid_from_ns is None and row.valid_to_ns is None and len(entries) == 1
            self.timeless = self.timeless and plain and known_at_ns == ALWAYS_KNOWN

    def find(self, key: Key, known_ns: int, time_ns: int) -> R | None:
        """Return what was known of a key, for a moment in time; None when nothing was."""
        entries = self._entries.get(key)
        if entries is None:
            return None
        if self.timeless:
            return entries[0].row  # type: ignore[return-value]  # entries hold this table's rows
        visible = [
            entry
            for entry in entries
            if entry.known_from_ns <= known_ns < entry.known_to_ns and _is_valid(entry.row, time_ns)
        ]
        if not visible:
            return None
        if len(visible) == 1:
            return visible[0].row  # type: ignore[return-value]  # entries hold this table's rows
        visible.sort(key=lambda entry: entry.known_from_ns)
        return self._merged([entry.row for entry in visible])

    def _merged(self, rows: list[Row]) -> R:
        stated: dict[str, Any] = {}
        listed: dict[str, dict[str | None, tuple[str, ...]]] = {}
        for row in rows:
            for name in row.__struct_fields__:
                value = getattr(row, name)
                if value is None or name in _VALIDITY:
                    continue
                if isinstance(value, tuple):
                    listed.setdefault(name, {})[row.part] = value
                elif name == "decided_at_ns":
                    stated[name] = max(value, stated.get(name, value))
                else:
                    stated[name] = value
        for name, parts in listed.items():
            stated[name] = tuple(dict.fromkeys(each for part in parts.values() for each in part))
        return self._table.row(**stated)  # type: ignore[return-value]  # this table's rows


def _is_valid(row: Row, time_ns: int) -> bool:
    return (row.valid_from_ns is None or row.valid_from_ns <= time_ns) and (
        row.valid_to_ns is None or time_ns < row.valid_to_ns
    )
