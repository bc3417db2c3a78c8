"""What the tasks of a worker share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from detector.runtime.clock import Clock
from detector.runtime.kafka.bundles import Bundles
from detector.runtime.kafka.ends import Ends
from detector.runtime.kafka.stage import Stage
from detector.runtime.kafka.topicwatch import TopicWatch
from detector.task import LogRecord, Output, Task


class Surroundings(msgspec.Struct, frozen=True):
    """What all tasks of a worker share.

    Attributes:
        client: Arguments for clients of the broker.
        clock: Wall time.
        admit: Returns an entry as it may go, None while it has to wait for its context; unset: nothing waits.
        took: Told what a task made of a batch, for the metrics.
        ends: Knows topics; None: an input that was made anew is not noticed.
        watch: Knows which topics are gone; None: nobody looks.
        bundles: The rules that take over while tasks run; None: none ever do.
    """

    client: Mapping[str, Any]
    clock: Clock
    admit: Callable[[LogRecord], LogRecord | None] | None = None
    took: Callable[[Task, Sequence[Output]], None] = lambda _task, _outputs: None
    ends: Ends | None = None
    watch: TopicWatch | None = None
    bundles: Bundles | None = None

    def fault_of(self, stage: Stage) -> str:
        """Return what is wrong with the topics of a stage; empty when nothing is known to be."""
        return "" if self.watch is None else self.watch.fault_of(stage.topics)
