"""Settled verdicts: a match that rests on a missing row is looked up again once the row could have come.

See docs/explanation/context.md.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from detector.candidate import Candidate
from detector.correlation.settling import Settled
from detector.engine import Engine
from detector.rules.logsources import LogSourceMap
from normalizers.context.enrich import Enricher
from normalizers.context.store import ContextStore
from normalizers.context.verdicts import UNSETTLED
from normalizers.source import SourceProfile
from normalizers.timestamps import format_utc


class ContextSettler:
    """Waits for the feeds of the tables a match rests on, at most `context_wait`.

    Args:
        store: Context, with the feeds' markers.
        enricher: Joins it.
        engine: Matches again.
        logsources: Event to log source.
        profile_of: Settings of a source.
        context_wait_ns: Longest wait after the record's ready time.
    """

    def __init__(  # noqa: PLR0913, PLR0917  the parts that a lookup is made of
        self,
        store: ContextStore,
        enricher: Enricher,
        engine: Engine,
        logsources: LogSourceMap,
        profile_of: Callable[[str], SourceProfile],
        context_wait_ns: int,
    ) -> None:
        self._store = store
        self._enricher = enricher
        self._engine = engine
        self._logsources = logsources
        self._profile_of = profile_of
        self._context_wait_ns = context_wait_ns

    def settle(self, candidate: Candidate, rule_id: str, watermark_ns: int) -> Settled | None:
        """Answer once every table is current to the event's time, or the wait is over."""
        unsettled = candidate.unsettled
        if unsettled is None:
            return Settled(candidate.fields)
        latest_ns = candidate.ready_ns + self._context_wait_ns
        known = [self._store.current_since(table, candidate.time_ns) for table in unsettled.tables]
        stale = [
            table
            for table, since_ns in zip(unsettled.tables, known, strict=True)
            if since_ns is None or since_ns > latest_ns
        ]
        settled_ns = latest_ns if stale else max((since_ns or 0 for since_ns in known), default=candidate.ready_ns)
        settled_ns = max(settled_ns, candidate.ready_ns)
        if watermark_ns <= settled_ns:
            return None
        event = msgspec.structs.replace(unsettled.event, fields=dict(unsettled.event.fields))
        self._enricher.enrich(event, self._profile_of(event.source), settled_ns)
        for path, (table, values) in UNSETTLED.items():
            if table in stale and event.fields.get(path) in values:
                event.fields[path] = "unknown"
        if stale:
            event.fields["convergence.context.stale"] = [self._said(table, settled_ns) for table in stale]
        logsource = self._logsources.of(event.dataset, event.fields)
        matched = any(rule.meta.id == rule_id for rule in self._engine.rules_for(event, logsource))
        return Settled(event.fields if matched else None)

    def _said(self, table: str, settled_ns: int) -> str:
        current_to_ns = self._store.current_to(table, settled_ns)
        if current_to_ns is None:
            return f"{table} feed was never current"
        return f"{table} feed not current since {format_utc(current_to_ns)[:19]}Z"
