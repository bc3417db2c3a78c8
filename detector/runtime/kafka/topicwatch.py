"""Looks whether the topics are still there: who writes to one that was deleted only hears that it took too long."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import structlog

from connectors.errors import SourceUnavailableError
from connectors.kafka.admin import administering
from connectors.kafka.topic import Topic
from detector.kafkasettings import KafkaSettings
from detector.runtime.topics.comparing import APPLY, partition_fault

LOOK_S = 5.0
"""How often to look; shorter than a transaction takes to fail, so that it is known by then why."""

_log = structlog.get_logger(__name__)


class TopicWatch:
    """Knows which topics tasks must do without.

    Args:
        kafka: The cluster.
        declared: Topics as they must be.

    Attributes:
        faults: Name of a topic to what is wrong with it, and what to do.
    """

    def __init__(self, kafka: KafkaSettings, declared: Collection[Topic]) -> None:
        self._kafka = kafka
        self._declared = {topic.name: topic for topic in declared}
        self.faults: dict[str, str] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                async with administering(self._kafka.connection) as admin:
                    while True:
                        self._compare(await admin.read(self._declared.keys(), configs=False))
                        await asyncio.sleep(LOOK_S)
            except SourceUnavailableError:
                await asyncio.sleep(LOOK_S)  # what brokers that are away mean is told where it hurts

    def fault_of(self, topics: Collection[str]) -> str:
        """Return what is wrong with the first of some topics that is not as it must be; empty when all are."""
        return next((self.faults[name] for name in topics if name in self.faults), "")

    def _compare(self, found: dict[str, Topic]) -> None:
        faults = {name: fault for name, topic in self._declared.items() if (fault := _fault(topic, found.get(name)))}
        for name in sorted(faults.keys() - self.faults.keys()):
            _log.error("topic_lost", topic=name, problem=faults[name])
        for name in sorted(self.faults.keys() - faults.keys()):
            _log.info("topic_found", topic=name)
        self.faults = faults


def _fault(declared: Topic, found: Topic | None) -> str:
    if found is None:
        return f"topic {declared.name} is missing: it was deleted, or we may no longer see it; {APPLY}"
    return partition_fault(declared, found)
