"""Which topics there must be, and what is done about those that differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.kafka.topic import Topic
from detector.errors import SettingsError
from detector.kafkasettings import KafkaSettings
from detector.runtime.topics.acls import Principals, grants
from detector.runtime.topics.comparing import compare, require_partitions
from detector.runtime.topics.declaring import declared_topics
from detector.settings import Settings, build_settings

CONNECTION = {"brokers": ["127.0.0.1:9092"], "plaintext": True}


def _settings(**kafka: Any) -> tuple[Settings, KafkaSettings]:  # noqa: ANN401  as in YAML
    settings = build_settings({"kafka": {"connection": CONNECTION, **kafka}}, Path("isthmus.yml"))
    assert settings.kafka is not None
    return settings, settings.kafka


def _declared(**kafka: Any) -> dict[str, Topic]:  # noqa: ANN401  as in YAML
    return {topic.name: topic for topic in declared_topics(*_settings(**kafka))}


def test_every_log_and_state_of_the_design_has_its_topic() -> None:
    """Partitions follow what a stage reads; state is compacted; the raw log keeps the broker's time."""
    topics = _declared(partitions={"raw": 6, "candidates": 4}, prefix="plant")
    assert {name: topic.partitions for name, topic in topics.items()} == {
        "plant.raw.v1": 6,
        "plant.events.v1": 6,
        "plant.candidates.v1": 4,
        "plant.drafts.v1": 1,
        "plant.context.v1": 1,
        "plant.alerts.v1": 1,
        "plant.alerts.test.v1": 1,
        "plant.heartbeat.v1": 1,
        "plant.audit.v1": 1,
        "plant.dlq.v1": 1,
        "plant.state-context.v1": 6,
        "plant.state-sense.v1": 6,
        "plant.state-correlate.v1": 4,
        "plant.state-group.v1": 1,
    }
    compacted = {name for name, topic in topics.items() if topic.config["cleanup.policy"] == "compact"}
    assert compacted == {name for name in topics if ".state-" in name or name == "plant.context.v1"}
    by_append = {name for name, topic in topics.items() if "message.timestamp.type" in topic.config}
    assert by_append == {"plant.raw.v1"}
    assert topics["plant.raw.v1"].config == {
        "cleanup.policy": "delete",
        "retention.ms": "604800000",
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": "2",
        "max.message.bytes": "12582912",
    }


def test_fan_out_adds_topics_by_value() -> None:
    """A name becomes a word that a topic may have; two names that become one word share a topic."""
    plain = _declared()
    fanned = _declared(fan_out={"severity": ["critical"], "domain": ["ot"], "site": ["Plant A", "plant-a"]})
    assert set(fanned) - set(plain) == {
        "isthmus.alerts.severity-critical.v1",
        "isthmus.alerts.domain-ot.v1",
        "isthmus.alerts.site-plant-a.v1",
    }
    with pytest.raises(SettingsError, match="none of a-z"):
        _settings(fan_out={"site": ["···"]})


def test_one_copy_must_not_ask_for_two_in_sync() -> None:
    """Below three copies a broker that is down would otherwise stop all writing."""
    for replication, in_sync in ((1, "1"), (2, "1"), (3, "2")):
        topics = _declared(replication=replication).values()
        assert {(t.replication, t.config["min.insync.replicas"]) for t in topics} == {(replication, in_sync)}


def _found(topic: Topic, **changes: Any) -> dict[str, Topic]:  # noqa: ANN401  fields of Topic
    return {topic.name: msgspec.structs.replace(topic, **changes)}


RAW = _declared()["isthmus.raw.v1"]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, [("create", {})]),
        (_found(RAW), []),
        (_found(RAW, partitions=6), [("refuse", {})]),
        (_found(RAW, partitions=24), [("refuse", {})]),
        (_found(RAW, replication=1), [("refuse", {})]),
        (_found(RAW, replication=5), []),
        (_found(RAW, config={**RAW.config, "retention.ms": "604799999"}), [("change", {"retention.ms": "604800000"})]),
        (_found(RAW, config={**RAW.config, "retention.ms": "604800001"}), []),
        (_found(RAW, config={**RAW.config, "retention.ms": "-1"}), []),
        (_found(RAW, config={**RAW.config, "min.insync.replicas": "3"}), []),
        (_found(RAW, config={**RAW.config, "cleanup.policy": "compact"}), [("refuse", {})]),
        (
            _found(RAW, config={**RAW.config, "message.timestamp.type": "CreateTime"}),
            [("change", {"message.timestamp.type": "LogAppendTime"})],
        ),
        (_found(RAW, config={}), [("refuse", {}), ("change", dict(list(RAW.config.items())[1:]))]),
    ],
)
def test_a_difference_is_mended_only_where_nothing_can_be_lost(
    found: dict[str, Topic], expected: list[tuple[str, dict[str, str]]]
) -> None:
    """What is more than declared stays; partitions, copies and the cleanup policy are for a person to decide."""
    assert [(each.kind, each.changes) for each in compare([RAW], found)] == expected


def test_a_worker_does_not_start_on_other_partitions() -> None:
    """Each topic is named, with the number it has, the number asked for, and the page that helps."""
    with pytest.raises(SettingsError, match="isthmus topics apply"):
        require_partitions([RAW], {})
    with pytest.raises(SettingsError, match=r"has 6 partitions, the settings ask for 12(.|\n)*change-partitions\.md"):
        require_partitions([RAW], _found(RAW, partitions=6, config={}))
    require_partitions([RAW], _found(RAW, config={}))


def test_rights_are_the_least_that_work() -> None:
    """Nobody may delete; only the operator may create or alter; subscribers read alerts and the heartbeat."""
    given = grants(*_settings(fan_out={"severity": ["high"]}), Principals(subscriber="User:soc"))
    assert {operation for grant in given for operation in grant.operations} == {
        "Read",
        "Write",
        "Describe",
        "Create",
        "DescribeConfigs",
        "AlterConfigs",
    }
    altering = {grant.principal for grant in given if {"Create", "AlterConfigs"} & set(grant.operations)}
    assert altering == {"User:isthmus-operator"}
    subscriber = [grant for grant in given if grant.principal == "User:soc"]
    assert [(grant.operations, grant.kind, grant.names) for grant in subscriber] == [
        (("Read",), "topic", ("isthmus.alerts.v1", "isthmus.alerts.severity-high.v1", "isthmus.heartbeat.v1")),
        (("Read",), "group", ("isthmus-subscriber-",)),
    ]
    assert (
        subscriber[1]
        .command()
        .endswith(
            "--allow-principal User:soc --operation Read --group isthmus-subscriber- --resource-pattern-type prefixed"
        )
    )
