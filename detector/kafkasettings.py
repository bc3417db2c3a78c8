"""The section `kafka` of the settings."""

from __future__ import annotations

import re

import msgspec

from connectors.kafka.settings import KafkaConnection
from detector.rules.model import Level

MAX_PARTITIONS = 1_024
"""Of one topic: more tasks than any plant has cores."""

MIN_BUFFER_BYTES = 64 << 20
"""Twice what an input may have waiting for one append (`MAX_WAITING_BYTES`): less might never take it."""

_PREFIX = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
"""No underscore: Kafka's metrics take it for a dot."""

_WORD = re.compile(r"[a-z0-9]")


class KafkaPartitions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many tasks share the work. Choose for years: another number means a new set of topics.

    Attributes:
        raw: Partitions of the raw log, by source: the most workers that can normalize and match at once.
        candidates: Partitions of the candidates, by correlation and group.
    """

    raw: int = 12
    candidates: int = 12


class FanOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Topics that repeat part of the alerts, for subscribers who want no others.

    Attributes:
        severity: Levels, such as `critical`.
        domain: Domains of rules, such as `ot`.
        site: Sites, such as `plant-a`.
    """

    severity: list[Level] = []
    domain: list[str] = []
    site: list[str] = []

    def __post_init__(self) -> None:
        """Refuse names of which a topic's would keep nothing."""
        for value in (*self.domain, *self.site):
            if _WORD.search(value.lower()) is None:
                raise ValueError(f"{value!r} holds none of a-z and 0-9, which topics are named by")


class KafkaSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The engine on Kafka: `isthmus worker` and `isthmus topics`.

    Attributes:
        connection: Brokers, TLS, log-in.
        prefix: Begins the name of every topic, consumer group and transactional id.
        partitions: Of the topics that tasks share.
        replication: Copies of each partition; below 3 a lost broker can lose alerts.
        fan_out: Further topics of alerts, by severity, domain or site.
        buffer_bytes: What `isthmus connect` keeps on its disk while brokers are away. When it is full no input takes
            more: senders are held up or told to send again, and datagrams are dropped and counted.
    """

    connection: KafkaConnection
    prefix: str = "isthmus"
    partitions: KafkaPartitions = KafkaPartitions()
    replication: int = 3
    fan_out: FanOut = FanOut()
    buffer_bytes: int = 10 << 30

    def __post_init__(self) -> None:
        """Refuse what no topic can have."""
        if _PREFIX.fullmatch(self.prefix) is None:
            raise ValueError(f"prefix {self.prefix!r}: use 1 to 64 of a-z, 0-9, - and .")
        for name in ("raw", "candidates"):
            if not 1 <= (count := getattr(self.partitions, name)) <= MAX_PARTITIONS:
                raise ValueError(f"partitions.{name} is {count}; use 1 to {MAX_PARTITIONS}")
        if not 1 <= self.replication <= 32_767:
            raise ValueError(f"replication is {self.replication}; use 3, or the number of brokers if fewer")
        if self.buffer_bytes < MIN_BUFFER_BYTES:
            raise ValueError(f"buffer_bytes is {self.buffer_bytes}; use {MIN_BUFFER_BYTES} or more")
