"""The context log of the embedded engine: files published on change, feeds as they come."""

from __future__ import annotations

import socket
from pathlib import Path

import structlog

from detector.errors import SettingsError
from detector.runtime.audit import AuditRecord, audit_value, published_facts
from detector.runtime.clock import Clock
from detector.runtime.contextfiles import changed_tables
from detector.runtime.embedded.store import EngineStore
from normalizers.context.store import ContextStore
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
        now_ns = self._clock.now_ns() + KNOWN_AFTER_NS
        published, changed = changed_tables(self._folder, self._store.context_hashes(), now_ns)
        if not changed:
            return
        self._store.publish_context(published, changed)
        record = AuditRecord("context-published", self._clock.now_ns(), socket.gethostname(), published_facts(changed))
        self._store.add_audit(audit_value(record))
        for rows in published:
            self._context.apply(rows)
        _log.info("context_published", tables=sorted(changed))
