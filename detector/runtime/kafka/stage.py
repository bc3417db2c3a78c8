"""The stages as Kafka sees them: what each reads, and how its tasks are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from detector.kafkasettings import KafkaSettings
from detector.rules.model import RuleSet
from detector.runtime.assembly import TaskMaker
from detector.runtime.kafka.cohesion import Cohesion
from detector.runtime.kafka.feeding import FeedTask
from detector.runtime.kafka.outgoing import ContextRouting, Routing
from detector.runtime.kafka.wire import KafkaRecord, decode_passed, decode_raw
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings
from detector.task import LogRecord, Task

STAGES = ("context", "sense", "correlate", "group")
"""In the order of the flow."""


class StageTask(Task, Protocol):
    """A task that can go on where one of its kind stands that other rules made."""

    def succeed(self, before: Any, /) -> bool | None:  # noqa: ANN401  a task of the same stage
        """Take over from a task that must not be used any more; False: only what it committed can be gone on with."""
        ...


class Stage(msgspec.Struct, frozen=True):
    """A stage.

    Attributes:
        name: Such as ``sense``.
        topic: What it reads.
        partitions: How many partitions that has, and so how many tasks there are.
        make: Makes the task of a partition for its n-th owner.
        decode: Reads a record, given its append time.
        routing: Where its outputs go.
        names: Names of topics.
        bundle: Hash of the rules by which its tasks decide.
    """

    name: str
    topic: str
    partitions: int
    make: Callable[[int, int], StageTask]
    decode: Callable[[KafkaRecord, int], LogRecord]
    routing: Routing | ContextRouting
    names: TopicNames
    bundle: str

    @property
    def topics(self) -> tuple[str, ...]:
        """What its tasks cannot be without: input, state, and where what they always give out goes."""
        return (self.topic, self.names.state(self.name), self.names.audit, *self.routing.outputs(self.name))


def build_stages(settings: Settings, kafka: KafkaSettings, ruleset: RuleSet, maker: TaskMaker) -> dict[str, Stage]:
    """Describe every stage that has something to do: where no source is a feed, nothing teaches context."""
    names, partitions, bundle = TopicNames(kafka.prefix), kafka.partitions, ruleset.bundle_hash
    cohesion = Cohesion(ruleset, maker.reach, partitions.candidates)
    routing = Routing(
        names,
        partitions.raw,
        partitions.candidates,
        cohesion,
        kafka.fan_out,
        settings.wants_events(),
        bundle,
    )
    inputs: dict[str, tuple[str, int, Callable[[int, int], StageTask], Callable[[KafkaRecord, int], LogRecord]]] = {
        "sense": (names.raw, partitions.raw, maker.sense, decode_raw),
        "correlate": (names.candidates, partitions.candidates, lambda *_: maker.correlate(cohesion.whole), _passed),
        "group": (names.drafts, 1, lambda *_: maker.group(), _passed),
    }
    stages = {name: Stage(name, *each, routing, names, bundle) for name, each in inputs.items()}
    if maker.reach.fed:
        stages["context"] = Stage(
            name="context",
            topic=names.raw,
            partitions=partitions.raw,
            make=lambda *each: FeedTask(maker.sense(*each)),
            decode=decode_raw,
            routing=ContextRouting(names),
            names=names,
            bundle=bundle,
        )
    return stages


def _passed(record: KafkaRecord, _ready_ns: int) -> LogRecord:
    return decode_passed(record)
