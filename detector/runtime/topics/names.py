"""Names of topics, consumer groups and transactional ids: every one begins with the prefix of the settings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from detector.kafkasettings import FanOut

STATEFUL_STAGES = ("context", "sense", "correlate", "group")
"""Stages that keep state, each in a topic of its own."""

_NOT_FOR_NAMES = re.compile(r"[^a-z0-9]+")


class TopicNames:
    """Names under one prefix.

    Args:
        prefix: Such as ``isthmus``; no other application's names may begin with it.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.raw = f"{prefix}.raw.v1"
        self.events = f"{prefix}.events.v1"
        self.candidates = f"{prefix}.candidates.v1"
        self.drafts = f"{prefix}.drafts.v1"
        self.context = f"{prefix}.context.v1"
        self.alerts = f"{prefix}.alerts.v1"
        self.test_alerts = f"{prefix}.alerts.test.v1"
        self.heartbeat = f"{prefix}.heartbeat.v1"
        self.audit = f"{prefix}.audit.v1"
        self.dead_letters = f"{prefix}.dlq.v1"
        self.dead_letter_retry = f"{prefix}-deadletter"

    def state(self, stage: str) -> str:
        """Return the topic that a stage of `STATEFUL_STAGES` keeps its state in."""
        return f"{self.prefix}.state-{stage}.v1"

    def group(self, stage: str) -> str:
        """Return the consumer group of a stage."""
        return f"{self.prefix}-{stage}"

    def transactional_id(self, stage: str, partition: int) -> str:
        """Return the id under which one task commits; whoever takes the task over fences the one before by it."""
        return f"{self.prefix}-{stage}-{partition}"

    def witness(self, stage: str) -> str:
        """Return the consumer group whose offsets say that tasks of a stage have state."""
        return f"{self.prefix}-{stage}-state"

    def connector(self, instance: str) -> str:
        """Return the transactional id of a connector, with which its consumer group's name begins."""
        return f"{self.prefix}-connect-{instance}"

    def fan_out(self, kind: str, value: str) -> str:
        """Return the topic of the alerts of one severity, domain or site."""
        return f"{self.prefix}.alerts.{kind}-{topic_word(value)}.v1"

    def fan_outs(self, settings: FanOut) -> list[str]:
        """Return every fan-out topic that settings ask for."""
        kinds: dict[str, Sequence[str]] = {
            "severity": settings.severity,
            "domain": settings.domain,
            "site": settings.site,
        }
        return list(dict.fromkeys(self.fan_out(kind, value) for kind, values in kinds.items() for value in values))


def topic_word(value: str) -> str:
    """Return a site's or domain's name as a part of a topic's: lower case, everything else a hyphen."""
    return _NOT_FOR_NAMES.sub("-", value.lower()).strip("-")
