"""The dead letters of the embedded engine, for whoever looks at them from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from connectors.record import Document, record_id
from detector.errors import SettingsError
from detector.runtime.audit import AuditRecord, Fact, audit_value, who
from detector.runtime.clock import Clock
from detector.runtime.deadletters import StoredDeadLetter
from detector.runtime.embedded.rawlog import RawLog
from detector.runtime.embedded.store import EngineStore
from detector.settings import Settings


class StoredDeadLetters:
    """In the engine's database, under `data_dir`.

    Args:
        settings: Say where.
        clock: Wall time.

    Raises:
        SettingsError: There is no database.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        path = settings.data_dir / "engine.db"
        if not path.exists():
            raise SettingsError(f"{path} does not exist; has the engine run with these settings?")
        self._settings, self._clock = settings, clock
        self._store = EngineStore(path, durable=settings.durable)

    async def newest(self, limit: int, stage: str | None) -> Sequence[StoredDeadLetter]:
        """Return the newest dead letters."""
        return self._store.dead_letters(limit=limit, stage=stage)

    async def get(self, numbers: Iterable[int]) -> dict[int, StoredDeadLetter]:
        """Return dead letters by their numbers."""
        return {each.seq: each for number in numbers if (each := self._store.dead_letter(number)) is not None}

    async def put_back(self, documents: Mapping[int, Document]) -> set[int]:
        """Append documents, each under its key; the raw log drops one that it took within 24 h."""
        settings = self._settings
        path, partitions = settings.data_dir / "raw.db", settings.raw_partitions
        rawlog = RawLog(path, self._clock, partitions=partitions, durable=settings.durable)
        try:
            fresh = {number for number, document in documents.items() if rawlog.append([document])}
        finally:
            rawlog.close()
        for number in sorted(fresh):
            now_ns, document = self._clock.now_ns(), documents[number]
            facts: dict[str, Fact] = {
                "number": number,
                "dataset": document.dataset,
                "record": record_id(document, now_ns),
            }
            self._store.mark_retried(number)
            self._store.add_audit(audit_value(AuditRecord("deadletter-retried", now_ns, who(), facts)))
        return fresh
