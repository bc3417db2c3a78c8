"""Putting the embedded engine's parts together from its settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from detector.errors import SettingsError
from detector.rules.model import RuleSet
from detector.runtime.assembly import TaskMaker, read_rules
from detector.runtime.clock import Clock
from detector.runtime.embedded.contextlog import ContextLog
from detector.runtime.embedded.driver import Driver, Stages
from detector.runtime.embedded.rawlog import RawLog
from detector.runtime.embedded.store import EngineStore
from detector.runtime.filterwatch import tell_filters
from detector.runtime.stages.presence import PresenceTask
from detector.runtime.stages.sense import FEED_DATASETS
from detector.settings import Settings
from normalizers.clock.hindsight import Hindsight
from normalizers.context.store import ContextStore


class Assembly(msgspec.Struct, frozen=True):
    """The parts of one engine."""

    rawlog: RawLog
    store: EngineStore
    driver: Driver
    context: ContextLog
    ruleset: RuleSet
    build: Callable[[RuleSet], Stages]

    def close(self) -> None:
        """Close both databases."""
        self.rawlog.close()
        self.store.close()


def assemble(settings: Settings, clock: Clock, hindsight: Hindsight | None = None) -> Assembly:
    """Build the parts and restore their state.

    Args:
        settings: What to run.
        clock: Wall time.
        hindsight: What is known of clocks afterwards; None but in a backtest.

    Raises:
        SettingsError: Rules, context or settings are wrong.
        StateError: The stored state is of another version.
    """
    ruleset = read_rules(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    rawlog = RawLog(settings.data_dir / "raw.db", clock, partitions=settings.raw_partitions, durable=settings.durable)
    store = EngineStore(settings.data_dir / "engine.db", durable=settings.durable)
    _check_partitions(store, settings.raw_partitions, settings.data_dir)
    context_store = ContextStore()
    context = ContextLog(settings.context.folder, store, context_store, clock)
    context.restore()
    generation = _next_generation(store)

    def build(rules: RuleSet) -> Stages:
        tell_filters(rules, clock.now_ns())
        return build_stages(settings, rules, context_store, generation=generation, hindsight=hindsight)

    driver = Driver(
        rawlog, store, build(ruleset), context_store.apply, feeds=FEED_DATASETS, keep_events=settings.wants_events()
    )
    driver.restore()
    return Assembly(rawlog, store, driver, context, ruleset, build)


def build_stages(
    settings: Settings, ruleset: RuleSet, context: ContextStore, *, generation: int, hindsight: Hindsight | None = None
) -> Stages:
    """Make the tasks of one process, with empty state."""
    maker = TaskMaker(settings, ruleset, context, raw_partitions=settings.raw_partitions, hindsight=hindsight)
    sense = [maker.sense(partition, generation) for partition in range(settings.raw_partitions)]
    return Stages(sense, [maker.correlate({})], maker.group(), PresenceTask(int(settings.retention.presence)))


def _check_partitions(store: EngineStore, partitions: int, data_dir: Path) -> None:
    stored = store.position("raw_partitions")
    if stored not in (0, partitions):
        raise SettingsError(
            f"raw_partitions is {partitions}, but {data_dir} was written with {stored}; set it back, or start with an"
            " empty data_dir and replay the raw log into it"
        )
    store.set_position("raw_partitions", partitions)


def _next_generation(store: EngineStore) -> int:
    generation = store.position("generation") + 1
    store.set_position("generation", generation)
    return generation
