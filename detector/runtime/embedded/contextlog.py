"""The context log of the embedded engine: files published on change, feeds as they come."""

from __future__ import annotations

import hashlib
from pathlib import Path

import structlog

from detector.errors import SettingsError
from detector.runtime.clock import Clock
from detector.runtime.embedded.store import EngineStore
from normalizers.context.rows import ALWAYS_KNOWN, ContextRows
from normalizers.context.store import ContextStore
from normalizers.context.tables import load_context
from normalizers.errors import ContextErrors

KNOWN_AFTER_NS = 500_000_000
"""A changed file is known this long after it was read."""

_log = structlog.get_logger(__name__)


class ContextLog:
    """Publishes the tables of a folder, each when its file changed, and replays what was published."""

    def __init__(self, folder: Path | None, store: EngineStore, context: ContextStore, clock: Clock) -> None:
        self._folder = folder
        self._store = store
        self._context = context
        self._clock = clock

    def restore(self) -> None:
        """Apply the whole log, then publish files that are new or changed.

        Raises:
            SettingsError: A table has faults; every one with file, row and column.
        """
        for rows in self._store.context():
            self._context.apply(rows)
        try:
            self._publish()
        except ContextErrors as error:
            raise SettingsError(f"context has faults:\n{error}") from error

    def refresh(self) -> None:
        """Publish files that changed; a change with faults is reported and the last good table stays."""
        try:
            self._publish()
        except ContextErrors as error:
            _log.error("context_refused", faults=str(error)[:2_000])

    def _publish(self) -> None:
        if self._folder is None:
            return
        known = self._store.context_hashes()
        hashes = {table: _hash(path) for table, path in _files(self._folder).items()}
        changed = {table for table, digest in hashes.items() if known.get(table) != digest}
        if not changed:
            return
        now_ns = self._clock.now_ns() + KNOWN_AFTER_NS
        published = [
            ContextRows(r.table, ALWAYS_KNOWN if r.table not in known else now_ns, r.rows, r.current_to_ns, r.replace)
            for r in load_context(self._folder)
            if r.table in changed
        ]
        self._store.publish_context(published, {table: hashes[table] for table in changed})
        for rows in published:
            self._context.apply(rows)
        _log.info("context_published", tables=sorted(changed))


def _files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in (".csv", ".yml", ".yaml", ".json")}


def _hash(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
