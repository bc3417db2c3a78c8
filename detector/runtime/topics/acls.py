"""Who needs which rights: as little as each part of the engine can work with, as commands for kafka-acls.sh."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import msgspec

from connectors.kafka.settings import KafkaTopics
from detector.kafkasettings import KafkaSettings
from detector.runtime.topics.declaring import declared_topics
from detector.runtime.topics.names import STATEFUL_STAGES, TopicNames
from detector.settings import Settings


class Principals(msgspec.Struct, frozen=True):
    """Accounts, as Kafka writes them, such as ``User:isthmus-worker``.

    Attributes:
        operator: Runs `isthmus topics`, `isthmus deadletter` and `isthmus audit`.
        worker: Runs `isthmus worker`.
        connector: Brings records into the raw log.
        subscriber: Reads alerts.
    """

    operator: str = "User:isthmus-operator"
    worker: str = "User:isthmus-worker"
    connector: str = "User:isthmus-connector"
    subscriber: str = "User:isthmus-subscriber"


class Grant(msgspec.Struct, frozen=True):
    """Rights of one account on resources of one kind.

    Attributes:
        principal: Account.
        operations: Kafka's names, such as ``Read``.
        kind: Option of kafka-acls.sh: ``topic``, ``group`` or ``transactional-id``.
        names: Resources.
        prefixed: The names are beginnings of names.
        why: For whoever has to approve it.
    """

    principal: str
    operations: tuple[str, ...]
    kind: str
    names: tuple[str, ...]
    why: str
    prefixed: bool = False

    def command(self) -> str:
        """Return the command; brokers and the administrator's file come from the shell's variables."""
        parts = ["--add", "--allow-principal", self.principal]
        for operation in self.operations:
            parts += ["--operation", operation]
        for name in self.names:
            parts += [f"--{self.kind}", name]
        if self.prefixed:
            parts += ["--resource-pattern-type", "prefixed"]
        return f'kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$ADMIN" {shlex.join(parts)}'


def grants(settings: Settings, kafka: KafkaSettings, who: Principals) -> list[Grant]:
    """Return what each account needs, and nothing else. Who may write or read may also describe."""
    names = TopicNames(kafka.prefix)
    own = tuple(topic.name for topic in declared_topics(settings, kafka))
    return [
        Grant(
            who.operator,
            ("Create", "Describe", "DescribeConfigs", "AlterConfigs"),
            "topic",
            own,
            "make topics",
        ),
        Grant(
            who.operator, ("Read", "Write"), "topic", (names.dead_letters, names.audit), "look, and say what was done"
        ),
        Grant(who.operator, ("Write",), "topic", (names.raw,), "put dead letters back"),
        _transactions(names.dead_letter_retry, who.operator),
        *_worker(names, names.fan_outs(kafka.fan_out), who.worker),
        *_connector(names, _of_others(settings), who.connector),
        *_subscriber(names, names.fan_outs(kafka.fan_out), who.subscriber),
    ]


def _worker(names: TopicNames, fan_out: Sequence[str], account: str) -> list[Grant]:
    logs = (names.candidates, names.drafts, names.context, names.alerts, names.test_alerts)
    states = tuple(names.state(stage) for stage in STATEFUL_STAGES)
    written = (names.events, *fan_out, names.heartbeat, names.audit, names.dead_letters)
    # What the engine notices itself is a record like any other, so workers also write the raw log.
    return [
        Grant(account, ("Read", "Write"), "topic", (names.raw, *logs, *states), "read, pass on, remember"),
        Grant(account, ("Write",), "topic", written, "give out"),
        Grant(account, ("Read",), "group", (f"{names.prefix}-",), "share partitions among workers", prefixed=True),
        _transactions(f"{names.prefix}-", account),
    ]


def _connector(names: TopicNames, of_others: Sequence[str], account: str) -> list[Grant]:
    inputs = [Grant(account, ("Read",), "topic", tuple(of_others), "take what others bring")] if of_others else []
    own = names.connector("")
    return [
        *inputs,
        # Read as well: how far it came is remembered as an offset of this topic, which only readers may commit.
        Grant(account, ("Read", "Write"), "topic", (names.raw,), "bring records in"),
        Grant(account, ("Read",), "group", (own,), "go on where it was", prefixed=True),
        Grant(
            account, ("Write",), "topic", (names.dead_letters, names.audit), "keep what is no record; say who is here"
        ),
        # Under a worker's id it could fence the worker.
        _transactions(own, account),
    ]


def _subscriber(names: TopicNames, fan_out: Sequence[str], account: str) -> list[Grant]:
    group = f"{names.prefix}-subscriber-"
    return [
        Grant(account, ("Read",), "topic", (names.alerts, *fan_out, names.heartbeat), "alerts; are we alive"),
        Grant(account, ("Read",), "group", (group,), "remember what was read", prefixed=True),
    ]


def _transactions(ids: str, account: str) -> Grant:
    return Grant(account, ("Write", "Describe"), "transactional-id", (ids,), "commit as a whole", prefixed=True)


def _of_others(settings: Settings) -> list[str]:
    """Return the topics that inputs read; those of another cluster want the same right there."""
    inputs = (each for each in settings.inputs if isinstance(each, KafkaTopics))
    return list(dict.fromkeys(topic.name for each in inputs for topic in each.topics))
