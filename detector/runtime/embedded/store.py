"""What the engine made of the raw log, in SQLite: state, positions, context log, alerts, dead letters."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from detector.alert import Alert
from detector.alerting.contract import is_test
from detector.errors import NoRoomError, StateError
from detector.runtime.deadletters import StoredDeadLetter
from detector.runtime.embedded.rawlog import is_full, open_database
from detector.runtime.failpoint import failpoint
from detector.task import DeadLetter
from normalizers.context.rows import ContextRows
from normalizers.event import EcsEvent

SCHEMA_VERSION = 1
"""Raised with every change of the tables; records of state carry their own, see detector/stateversion.py."""

MAX_AUDIT = 100_000
"""Audit records kept, half a kilobyte each: years of an engine that is started and tuned daily."""

WATCHED = "watched"
"""Position up to which, in UTC nanoseconds, records were certainly taken in."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (stage TEXT NOT NULL, partition INTEGER NOT NULL, key BLOB NOT NULL,
    value BLOB NOT NULL, PRIMARY KEY (stage, partition, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS context (seq INTEGER PRIMARY KEY AUTOINCREMENT, rows BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS context_files (table_name TEXT PRIMARY KEY, hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alerts (id TEXT PRIMARY KEY, revision INTEGER NOT NULL, time TEXT NOT NULL,
    severity INTEGER NOT NULL, document BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alerts_by_time ON alerts (time);
CREATE TABLE IF NOT EXISTS alert_log (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL,
    revision INTEGER NOT NULL, document BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS dead_letters (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, stage TEXT NOT NULL,
    source TEXT NOT NULL, dataset TEXT NOT NULL, received_ns INTEGER NOT NULL, error TEXT NOT NULL,
    value BLOB NOT NULL, retried INTEGER NOT NULL DEFAULT 0, UNIQUE (id, stage));
CREATE TABLE IF NOT EXISTS outbox (id TEXT PRIMARY KEY, source TEXT NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audit (seq INTEGER PRIMARY KEY AUTOINCREMENT, document BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, event BLOB NOT NULL);
"""

_rows_encoder = msgspec.msgpack.Encoder()
_rows_decoder = msgspec.msgpack.Decoder(ContextRows)
_event_decoder = msgspec.json.Decoder(EcsEvent)
_document_encoder = msgspec.json.Encoder()


class StateChange(msgspec.Struct, frozen=True):
    """Dirty state of one task."""

    stage: str
    partition: int
    entries: list[tuple[bytes, bytes | None]]


class EngineEventRow(msgspec.Struct, frozen=True):
    """An engine event on its way back into the raw log; `id` keeps it from entering twice."""

    id: str
    source: str
    value: bytes


class Checkpoint(msgspec.Struct):
    """Everything that one transaction commits.

    Attributes:
        position: Offset of the last raw record applied.
        watched_ns: Up to when records were taken in: nothing of this checkpoint was decided by a later clock.
    """

    position: int
    watched_ns: int = 0
    states: list[StateChange] = []
    alerts: list[Alert] = []
    dead_letters: list[DeadLetter] = []
    context: list[ContextRows] = []
    engine_events: list[EngineEventRow] = []
    events: list[EcsEvent] = []


class EngineStore:
    """The engine's own database; one transaction a checkpoint."""

    def __init__(self, path: Path, *, durable: bool = True, max_bytes: int | None = None) -> None:
        self._db = open_database(path, durable=durable, max_bytes=max_bytes)
        self._lock = threading.RLock()
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version not in (0, SCHEMA_VERSION):
            raise StateError(
                f"{path}: state is of version {version}, this program reads {SCHEMA_VERSION}; use the program"
                " version that wrote it, or start with an empty data_dir and replay the raw log"
            )
        self._db.executescript(_SCHEMA)
        self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def commit(self, checkpoint: Checkpoint) -> None:
        """Commit outputs, dirty state and input position together, or nothing."""
        with self._lock:
            failpoint("checkpoint-before")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._write_states(checkpoint.states)
                failpoint("checkpoint-inside")
                self._write_outputs(checkpoint)
                positions = (("raw", checkpoint.position), (WATCHED, checkpoint.watched_ns))
                self._db.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", positions)
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            failpoint("checkpoint-after")

    def state(self, stage: str, partition: int) -> list[tuple[bytes, bytes]]:
        """Return the stored entries of one task, in the order of their keys."""
        with self._lock:
            return self._db.execute(
                "SELECT key, value FROM state WHERE stage = ? AND partition = ? ORDER BY key", (stage, partition)
            ).fetchall()

    def has_state(self) -> bool:
        """Tell whether any task ever stored state."""
        return self._db.execute("SELECT 1 FROM state LIMIT 1").fetchone() is not None

    def position(self, name: str = "raw") -> int:
        """Return a committed position; 0 before the first."""
        with self._lock:
            row = self._db.execute("SELECT position FROM positions WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def set_position(self, name: str, position: int) -> None:
        """Store the position of a reader of the alert log, or a setting that must not change."""
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", (name, position))

    def context(self) -> Iterator[ContextRows]:
        """Yield the context log in its order."""
        for (blob,) in self._db.execute("SELECT rows FROM context ORDER BY seq"):
            yield _rows_decoder.decode(blob)

    def context_hashes(self) -> dict[str, str]:
        """Return table to hash of the file contents last published."""
        return dict(self._db.execute("SELECT table_name, hash FROM context_files"))

    def publish_context(self, rows: Iterable[ContextRows], hashes: dict[str, str]) -> None:
        """Append file tables to the context log."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT INTO context (rows) VALUES (?)", ((_rows_encoder.encode(r),) for r in rows))
            self._db.executemany("INSERT OR REPLACE INTO context_files VALUES (?, ?)", hashes.items())
            self._db.execute("COMMIT")

    def outbox(self) -> list[EngineEventRow]:
        """Return engine events that still have to enter the raw log."""
        with self._lock:
            return [EngineEventRow(*row) for row in self._db.execute("SELECT id, source, value FROM outbox")]

    def clear_outbox(self, ids: Sequence[str]) -> None:
        """Forget engine events that the raw log holds now."""
        with self._lock:
            self._db.executemany("DELETE FROM outbox WHERE id = ?", ((i,) for i in ids))

    def alert_log(self, after: int, limit: int) -> list[tuple[int, Alert]]:
        """Read revisions of alerts in the order they were committed."""
        with self._lock:
            rows = self._db.execute(
                "SELECT seq, id, revision, document FROM alert_log WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
            ).fetchall()
        return [(seq, Alert(i, revision, msgspec.json.decode(document))) for seq, i, revision, document in rows]

    def trim_alert_log(self, upto: int) -> None:
        """Delete revisions that every reader has passed."""
        with self._lock:
            self._db.execute("DELETE FROM alert_log WHERE seq <= ?", (upto,))

    def alert_log_length(self) -> int:
        """Return how many revisions wait for the slowest reader."""
        with self._lock:
            return int(self._db.execute("SELECT COUNT(*) FROM alert_log").fetchone()[0])

    def event_log(self, after: int, limit: int) -> list[tuple[int, EcsEvent]]:
        """Read events in the order they were committed."""
        with self._lock:
            rows = self._db.execute(
                "SELECT seq, event FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
            ).fetchall()
        return [(seq, _event_decoder.decode(event)) for seq, event in rows]

    def event_log_end(self) -> int:
        """Return the place of the last event."""
        with self._lock:
            return int(self._db.execute("SELECT COALESCE(MAX(seq), 0) FROM events").fetchone()[0])

    def trim_event_log(self, upto: int) -> None:
        """Delete events that every reader has passed."""
        with self._lock:
            self._db.execute("DELETE FROM events WHERE seq <= ?", (upto,))

    def add_dead_letters(self, letters: Iterable[DeadLetter]) -> None:
        """Store dead letters outside a checkpoint: rejections at the edge, before there was a record.

        Raises:
            NoRoomError: None, or some, were stored.
        """
        with self._lock:
            try:
                self._insert_dead_letters(letters)
            except sqlite3.OperationalError as error:
                if is_full(error):
                    raise NoRoomError(f"no room for more dead letters: {error}") from error
                raise

    def forget_dead_letters(self, upto: int, reader: str) -> None:
        """Delete dead letters that a reader has passed on, and store how far it came."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM dead_letters WHERE seq <= ?", (upto,))
            self.set_position(reader, upto)
            self._db.execute("COMMIT")

    def dead_letters(self, *, limit: int = 100, stage: str | None = None) -> list[StoredDeadLetter]:
        """Return the newest dead letters."""
        where, values = ("WHERE stage = ?", (stage,)) if stage else ("", ())
        return self._select_dead_letters(f"{where} ORDER BY seq DESC LIMIT {int(limit)}", values)

    def dead_letters_after(self, seq: int, limit: int) -> list[StoredDeadLetter]:
        """Return dead letters in the order they were stored, from the one after a number."""
        return self._select_dead_letters(f"WHERE seq > ? ORDER BY seq LIMIT {int(limit)}", (seq,))

    def dead_letter(self, seq: int) -> StoredDeadLetter | None:
        """Return one dead letter by its number."""
        found = self._select_dead_letters("WHERE seq = ?", (seq,))
        return found[0] if found else None

    def count_dead_letters(self) -> int:
        """Return how many dead letters are kept."""
        with self._lock:
            return int(self._db.execute("SELECT COUNT(*) FROM dead_letters").fetchone()[0])

    def mark_retried(self, seq: int) -> None:
        """Note that a dead letter was given back to the raw log."""
        with self._lock:
            self._db.execute("UPDATE dead_letters SET retried = retried + 1 WHERE seq = ?", (seq,))

    def add_audit(self, document: bytes) -> None:
        """Keep what was done to the engine; of more than can be kept, the oldest go."""
        with self._lock:
            seq = self._db.execute("INSERT INTO audit (document) VALUES (?)", (document,)).lastrowid or 0
            self._db.execute("DELETE FROM audit WHERE seq <= ?", (seq - MAX_AUDIT,))

    def audit(self, limit: int) -> list[bytes]:
        """Return the newest documents of what was done, newest first."""
        with self._lock:
            return [
                row[0] for row in self._db.execute("SELECT document FROM audit ORDER BY seq DESC LIMIT ?", (limit,))
            ]

    def alerts(self, *, limit: int, min_severity: int = 0, before: str = "~") -> list[bytes]:
        """Return the latest revisions of the newest alerts as JSON documents.

        Args:
            limit: At most this many.
            min_severity: `event.severity` at least (1, 21, 47, 73, 99).
            before: Only alerts whose `@timestamp` sorts before this text.
        """
        with self._lock:
            rows = self._db.execute(
                "SELECT document FROM alerts WHERE severity >= ? AND time < ? ORDER BY time DESC, id LIMIT ?",
                (min_severity, before, limit),
            ).fetchall()
        return [bytes(row[0]) for row in rows]

    def alert(self, alert_id: str) -> bytes | None:
        """Return the latest revision of one alert as a JSON document."""
        with self._lock:
            row = self._db.execute("SELECT document FROM alerts WHERE id = ?", (alert_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    def _select_dead_letters(self, tail: str, values: tuple[object, ...]) -> list[StoredDeadLetter]:
        with self._lock:
            rows = self._db.execute(
                "SELECT seq, id, stage, source, dataset, received_ns, error, value, retried FROM dead_letters "  # noqa: S608  `tail` is one of the constants above
                + tail,
                values,
            ).fetchall()
        names = ("id", "stage", "source", "dataset", "received_ns", "error", "value")
        return [StoredDeadLetter(r[0], DeadLetter(**dict(zip(names, r[1:8], strict=True))), r[8]) for r in rows]

    def _write_states(self, changes: list[StateChange]) -> None:
        for change in changes:
            gone = [(change.stage, change.partition, k) for k, v in change.entries if v is None]
            kept = [(change.stage, change.partition, k, v) for k, v in change.entries if v is not None]
            self._db.executemany("DELETE FROM state WHERE stage = ? AND partition = ? AND key = ?", gone)
            self._db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?)", kept)

    def _write_outputs(self, checkpoint: Checkpoint) -> None:
        for alert in checkpoint.alerts:
            document = _document_encoder.encode(alert.document)
            if not is_test(alert.document):
                self._write_alert(alert, document)
            self._db.execute(
                "INSERT INTO alert_log (id, revision, document) VALUES (?, ?, ?)", (alert.id, alert.revision, document)
            )
        self._insert_dead_letters(checkpoint.dead_letters)
        self._db.executemany(
            "INSERT INTO context (rows) VALUES (?)", ((_rows_encoder.encode(r),) for r in checkpoint.context)
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO outbox VALUES (?, ?, ?)",
            ((e.id, e.source, e.value) for e in checkpoint.engine_events),
        )
        self._db.executemany(
            "INSERT INTO events (id, event) VALUES (?, ?)",
            ((e.id, _document_encoder.encode(e)) for e in checkpoint.events),
        )

    def _write_alert(self, alert: Alert, document: bytes) -> None:
        event = alert.document.get("event", {})
        self._db.execute(
            "INSERT INTO alerts VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET revision = excluded.revision,"
            " time = excluded.time, severity = excluded.severity, document = excluded.document"
            " WHERE excluded.revision > alerts.revision",
            (alert.id, alert.revision, alert.document.get("@timestamp", ""), event.get("severity", 0), document),
        )

    def _insert_dead_letters(self, letters: Iterable[DeadLetter]) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO dead_letters (id, stage, source, dataset, received_ns, error, value)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((d.id, d.stage, d.source, d.dataset, d.received_ns, d.error, d.value) for d in letters),
        )
