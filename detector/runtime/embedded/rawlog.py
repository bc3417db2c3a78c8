"""The raw log in SQLite: every record that came in, in the order of its append."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from connectors.record import Document, RawRecord, record_id
from connectors.round_trip import decode_round_trip, encode_round_trip
from detector.errors import NoRoomError
from detector.runtime.clock import Clock
from detector.runtime.failpoint import failpoint
from detector.runtime.partitioner import partition_of
from detector.task import Record

KEY_MEMORY_NS = 24 * 3_600 * 10**9
"""A sender's repeat under the same idempotency key is dropped for this long."""

_READ = 5_000
"""Records taken out at once: some megabytes."""

MAX_RECEIVED = 100_000
"""Sources whose last time of receipt is kept in memory, some 20 MB; of others the database is asked."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS raw (
    offset INTEGER PRIMARY KEY AUTOINCREMENT, partition INTEGER NOT NULL, id TEXT NOT NULL, source TEXT NOT NULL,
    dataset TEXT NOT NULL, received_ns INTEGER NOT NULL, ready_ns INTEGER NOT NULL, input TEXT, position INTEGER,
    value BLOB NOT NULL, round_trip BLOB);
CREATE TABLE IF NOT EXISTS inputs (input TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (id TEXT PRIMARY KEY, received_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources (source TEXT PRIMARY KEY, received_ns INTEGER NOT NULL) WITHOUT ROWID;
"""


class LoggedRecord(msgspec.Struct, frozen=True):
    """A record with its place in the log."""

    offset: int
    partition: int
    entry: Record


def open_database(path: Path, *, durable: bool, max_bytes: int | None = None) -> sqlite3.Connection:
    """Open a database in WAL mode.

    Args:
        path: File; made when absent.
        durable: True syncs each commit to disk (survives power loss); False survives the end of the
            process only.
        max_bytes: The file does not grow beyond; what needs more fails as if the disk were full. None: no limit.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    if max_bytes is not None:
        page_bytes = int(connection.execute("PRAGMA page_size").fetchone()[0])
        connection.execute(f"PRAGMA max_page_count={max_bytes // page_bytes}")
    return connection


def is_full(error: sqlite3.Error) -> bool:
    """Tell whether an error says that there is no room, on the disk or below the limit of the database."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def recorded(path: Path, clock: Clock, *, partitions: int) -> Iterator[Record]:
    """Yield the records of a raw log that lies on disk, in the order of their append."""
    log = RawLog(path, clock, partitions=partitions, durable=False)
    try:
        offset = 0
        while batch := log.read(offset, _READ):
            yield from (each.entry for each in batch)
            offset = batch[-1].offset
    finally:
        log.close()


class RawLog:
    """Appends documents and reads them back; safe for one appending and one reading thread."""

    def __init__(
        self, path: Path, clock: Clock, *, partitions: int, durable: bool = True, max_bytes: int | None = None
    ) -> None:
        self._writer = open_database(path, durable=durable, max_bytes=max_bytes)
        self._writer.executescript(_SCHEMA)
        if not any(name == "round_trip" for _, name, *_ in self._writer.execute("PRAGMA table_info(raw)")):
            # A log that was begun before there were round trips.
            self._writer.execute("ALTER TABLE raw ADD COLUMN round_trip BLOB")
        self._reader = open_database(path, durable=durable)
        self._clock = clock
        self._partitions = partitions
        self._lock = threading.Lock()
        self._last_received: dict[str, int] = {}
        self._pruned_ns = 0
        self._floor_ns = self.newest_ns()

    def frontier_ns(self) -> int:
        """Return the present time, and promise that no later append has a smaller `ready_ns`.

        The promise holds when the machine's clock is set back: appends then wait at the promised time.
        """
        with self._lock:
            self._floor_ns = max(self._floor_ns, self._clock.now_ns())
            return self._floor_ns

    def append(self, documents: Sequence[Document]) -> int:
        """Append documents durably, in one transaction.

        Args:
            documents: Any number; repeats under a known key or at a position already taken are dropped.

        Returns:
            How many were new.

        Raises:
            NoRoomError: Nothing was appended.
        """
        with self._lock:
            self._floor_ns = now_ns = max(self._floor_ns, self._clock.now_ns())
            last = dict[str, int]()
            rows = list[tuple[object, ...]]()
            inputs = dict[str, int]()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                for document in documents:
                    if self._is_repeat(document, inputs, now_ns):
                        continue
                    # Nobody can have taken it later than we do, whatever a header says.
                    taken_ns = now_ns if document.received_ns is None else min(document.received_ns, now_ns)
                    received_ns = self._next_received(document.source, taken_ns, last)
                    rows.append(self._row(document, received_ns, max(received_ns, self._floor_ns)))
                    self._floor_ns = max(self._floor_ns, received_ns)
                self._write(rows, inputs, last)
                failpoint("append-before-commit")
                self._writer.execute("COMMIT")
            except BaseException as error:
                if self._writer.in_transaction:  # SQLite has rolled back itself where the disk is full
                    self._writer.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error) and is_full(error):
                    raise NoRoomError(f"no room for more records: {error}") from error
                raise
            failpoint("append-after-commit")
            self._last_received.update(last)
            if len(self._last_received) > MAX_RECEIVED:
                self._last_received.clear()  # the table knows
            self._forget_keys(now_ns)
            return len(rows)

    def append_recorded(self, records: Sequence[Record]) -> None:
        """Append records that have ids and times already, for a replay."""
        with self._lock:
            rows = [
                (
                    partition_of(r.record.source, self._partitions),
                    r.record.id,
                    r.record.source,
                    r.record.dataset,
                    r.record.received_ns,
                    r.ready_ns,
                    r.input,
                    r.position,
                    r.record.value,
                    encode_round_trip(r.record.round_trip),
                )
                for r in records
            ]
            self._writer.execute("BEGIN IMMEDIATE")
            self._write(rows, {}, {})
            self._writer.execute("COMMIT")

    def read(self, after: int, limit: int) -> list[LoggedRecord]:
        """Read records in the order of their append.

        Args:
            after: Offset of the last record already read; 0 for the beginning.
            limit: At most this many.
        """
        cursor = self._reader.execute(
            "SELECT offset, partition, id, source, dataset, received_ns, ready_ns, input, position, value,"
            " round_trip FROM raw WHERE offset > ? ORDER BY offset LIMIT ?",
            (after, limit),
        )
        return [
            LoggedRecord(
                offset,
                partition,
                Record(RawRecord(i, source, dataset, received, value, decode_round_trip(trip)), ready, inp, position),
            )
            for offset, partition, i, source, dataset, received, ready, inp, position, value, trip in cursor
        ]

    def get(self, record_ids: Sequence[str]) -> list[LoggedRecord]:
        """Find records by id; for people who ask, not for the hot path (it scans)."""
        wanted = set(record_ids)
        found = list[LoggedRecord]()
        offset = 0
        while batch := self.read(offset, 1_000):
            found.extend(r for r in batch if r.entry.record.id in wanted)
            offset = batch[-1].offset
        return found

    def position_of(self, input_id: str) -> int | None:
        """Return how far an input that can be read again has been taken, or None when it is new."""
        with self._lock:
            row = self._writer.execute("SELECT position FROM inputs WHERE input = ?", (input_id,)).fetchone()
        return None if row is None else int(row[0])

    def end(self) -> int:
        """Return the offset of the newest record, 0 when there is none."""
        row = self._reader.execute("SELECT COALESCE(MAX(offset), 0) FROM raw").fetchone()
        return int(row[0])

    def length(self) -> int:
        """Return how many records it holds, where every record up to some offset was deleted and no other."""
        first, last = self._reader.execute("SELECT MIN(offset), MAX(offset) FROM raw").fetchone()
        return 0 if first is None else int(last) - int(first) + 1

    def used_bytes(self) -> int:
        """Return how many bytes of the file are in use; what was deleted makes room inside it."""
        pages, free, page_bytes = (
            int(self._reader.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * page_bytes

    def newest_ns(self) -> int:
        """Return the ready time of the newest record, 0 when there is none."""
        row = self._reader.execute("SELECT ready_ns FROM raw ORDER BY offset DESC LIMIT 1").fetchone()
        return 0 if row is None else int(row[0])

    def prune(self, upto_offset: int, before_ns: int) -> int:
        """Delete records that were processed and are older than the retention.

        Args:
            upto_offset: Committed position; nothing after it is touched.
            before_ns: Append times before this may go.

        Returns:
            How many were deleted, at most 50,000 a call so that appends never wait long.
        """
        with self._lock:
            cursor = self._writer.execute(
                "DELETE FROM raw WHERE offset IN (SELECT offset FROM raw WHERE offset <= ? AND ready_ns < ?"
                " ORDER BY offset LIMIT 50000)",
                (upto_offset, before_ns),
            )
            return cursor.rowcount

    def close(self) -> None:
        """Close both connections."""
        with self._lock:
            self._writer.close()
            self._reader.close()

    def _is_repeat(self, document: Document, inputs: dict[str, int], now_ns: int) -> bool:
        if document.key is not None:
            cursor = self._writer.execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", (record_id(document, 0), now_ns))
            return cursor.rowcount == 0
        if document.input is None or document.position is None:
            return False
        if document.input not in inputs:
            row = self._writer.execute("SELECT position FROM inputs WHERE input = ?", (document.input,)).fetchone()
            inputs[document.input] = -1 if row is None else int(row[0])
        if document.position <= inputs[document.input]:
            return True
        inputs[document.input] = document.position
        return False

    def _next_received(self, source: str, taken_ns: int, last: dict[str, int]) -> int:
        before = last.get(source) or self._last_received.get(source)
        if before is None:
            row = self._writer.execute("SELECT received_ns FROM sources WHERE source = ?", (source,)).fetchone()
            before = 0 if row is None else int(row[0])
        last[source] = received_ns = max(taken_ns, before + 1)
        return received_ns

    def _row(self, document: Document, received_ns: int, ready_ns: int) -> tuple[object, ...]:
        return (
            partition_of(document.source, self._partitions),
            record_id(document, received_ns),
            document.source,
            document.dataset,
            received_ns,
            ready_ns,
            document.input,
            document.position,
            document.value,
            encode_round_trip(document.round_trip),
        )

    def _write(self, rows: Sequence[tuple[object, ...]], inputs: dict[str, int], last: dict[str, int]) -> None:
        self._writer.executemany(
            "INSERT INTO raw (partition, id, source, dataset, received_ns, ready_ns, input, position, value,"
            " round_trip) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        self._writer.executemany("INSERT OR REPLACE INTO inputs VALUES (?, ?)", inputs.items())
        self._writer.executemany("INSERT OR REPLACE INTO sources VALUES (?, ?)", last.items())

    def _forget_keys(self, now_ns: int) -> None:
        # Once an hour is enough: the table only has to stay bounded.
        if now_ns - self._pruned_ns < 3_600 * 10**9:
            return
        self._pruned_ns = now_ns
        self._writer.execute("DELETE FROM keys WHERE received_ns < ?", (now_ns - KEY_MEMORY_NS,))
        # A source that was not heard for so long is far behind the present time, which its next record is given.
        self._writer.execute("DELETE FROM sources WHERE received_ns < ?", (now_ns - KEY_MEMORY_NS,))
