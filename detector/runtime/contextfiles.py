"""Context tables in files: which have changed since they were published, and what is to be published of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from normalizers.context.rows import ALWAYS_KNOWN, ContextRows
from normalizers.context.tables import load_context

_SUFFIXES = (".csv", ".yml", ".yaml", ".json")


def changed_tables(
    folder: Path, published: Mapping[str, str], known_at_ns: int
) -> tuple[list[ContextRows], dict[str, str]]:
    """Read the tables whose file is new or changed.

    Args:
        folder: Of the files.
        published: Table to hash of what was published last.
        known_at_ns: When a change is known; what is published for the first time always was.

    Returns:
        Rows to publish, and table to its new hash.

    Raises:
        ContextErrors: A table has faults; every one with file, row and column.
    """
    hashes = {path.stem: _hash(path) for path in sorted(folder.iterdir()) if path.suffix in _SUFFIXES}
    changed = {table: digest for table, digest in hashes.items() if published.get(table) != digest}
    if not changed:
        return [], {}
    rows = [
        ContextRows(
            each.table,
            known_at_ns if each.table in published else ALWAYS_KNOWN,
            each.rows,
            each.current_to_ns,
            each.replace,
        )
        for each in load_context(folder)
        if each.table in changed
    ]
    return rows, changed


def _hash(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
