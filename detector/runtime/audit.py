"""What was done to the engine, by whom and when, for whoever has to answer for it; each runtime keeps it in a log."""

from __future__ import annotations

import getpass
import hashlib
import socket
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from connectors.record import hashed_id
from detector.settings import Settings
from normalizers.timestamps import format_utc

Fact = str | int | Sequence[str]

ACTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "engine-started": ("`isthmus run` has started", ("bundle", "rules", "settings")),
    "engine-stopped": ("it was told to stop; a crash leaves no record", ()),
    "worker-started": ("`isthmus worker` has started", ("bundle", "rules", "settings", "stages")),
    "worker-stopped": ("it was told to stop", ()),
    "task-taken-over": (
        "a worker has taken a task over; part of its first commit",
        ("stage", "partition", "generation", "position"),
    ),
    "connector-started": ("`isthmus connect` has started", ("inputs", "settings")),
    "connector-stopped": ("it was told to stop", ()),
    "rules-activated": (
        "changed rules took over; on Kafka in one task, and part of its commit",
        ("bundle", "before", "rules", "stage", "partition"),
    ),
    "rules-refused": ("changed rules have faults; those before go on", ("bundle", "faults", "report")),
    "context-published": ("tables of the context folder were published", ("tables", "hashes")),
    "topics-applied": ("`isthmus topics apply` has changed the cluster", ("created", "changed")),
    "deadletter-retried": ("a dead letter was put back; on Kafka part of that commit", ("number", "dataset", "record")),
}  # fmt: skip
"""What is kept, what it means, and its facts."""

MAX_TEXT = 1_000
"""Characters of one fact, and of each text of a list."""

MAX_LIST = 50
"""Texts of one fact."""


class AuditRecord(msgspec.Struct, frozen=True):
    """One thing that was done.

    Attributes:
        action: Of `ACTIONS`.
        time_ns: When, by the clock of the process.
        by: Process, or ``user@host`` of a command.
        facts: Those of the action. No secret may be among them.
    """

    action: str
    time_ns: int
    by: str
    facts: Mapping[str, Fact]


def audit_value(record: AuditRecord) -> bytes:
    """Write a record as an ECS document."""
    facts = {name: _bounded(fact) for name, fact in record.facts.items()}
    document = {
        "@timestamp": format_utc(record.time_ns),
        "event": {
            "id": hashed_id(record.action, record.by, record.time_ns, msgspec.json.encode(facts)),
            "kind": "event",
            "category": ["configuration"],
            "type": ["change"],
            "action": record.action,
            "module": "isthmus",
            "dataset": "isthmus.audit",
        },
        "observer": {"name": record.by[:MAX_TEXT], "product": "isthmus", "version": version("isthmus")},
        "convergence": {"audit": facts},
    }
    return msgspec.json.encode(document)


def published_facts(hashes: Mapping[str, str]) -> dict[str, Fact]:
    """Return the facts of tables that were published, given the hash of each one's file."""
    return {"tables": sorted(hashes), "hashes": [hashes[table] for table in sorted(hashes)]}


def who() -> str:
    """Return who runs a command, as ``user@host``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"  # a container's number without a name
    return f"{user}@{socket.gethostname()}"


def settings_hash(settings: Settings) -> str:
    """Hash settings; they hold paths of secrets, and none of them. Paths count as they are on this machine."""
    plain = msgspec.json.encode(settings, enc_hook=_plain)
    return hashlib.sha256(plain).hexdigest()[:32]


def _plain(value: object) -> str:
    if isinstance(value, Path | int):  # an int: a Duration, in ns
        return str(value)
    raise NotImplementedError(type(value).__name__)  # what msgspec asks of a hook that does not know a type


def _bounded(fact: Fact) -> Fact:
    if isinstance(fact, int):
        return fact
    if isinstance(fact, str):
        return fact[:MAX_TEXT]
    return [each[:MAX_TEXT] for each in fact[:MAX_LIST]]
