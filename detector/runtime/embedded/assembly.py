"""Putting the embedded engine's parts together from its settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import msgspec
import structlog

from detector.alerting.document import AlertWriter
from detector.correlation.correlator import Correlator
from detector.correlation.routing import CandidateRouter
from detector.engine import Engine
from detector.errors import RuleErrors, SettingsError
from detector.rules.bundled import bundled_rules
from detector.rules.cache import open_cache
from detector.rules.filters import expired_filters
from detector.rules.loader import load_rules
from detector.rules.logsources import LogSourceMap
from detector.rules.model import RuleSet
from detector.rules.placeholders import context_lists
from detector.runtime.clock import Clock
from detector.runtime.embedded.contextlog import ContextLog
from detector.runtime.embedded.driver import Driver, Stages
from detector.runtime.embedded.rawlog import RawLog
from detector.runtime.embedded.store import EngineStore
from detector.runtime.reach import Reach
from detector.runtime.stages.group import GroupTask
from detector.runtime.stages.sense import FEED_DATASETS, SenseParts, SenseTask
from detector.runtime.stages.settle import ContextSettler
from detector.settings import Settings
from normalizers.context.enrich import Enricher
from normalizers.context.store import ContextStore
from normalizers.source import SourceProfile

MAX_UNKNOWN_SOURCES = 65_536
"""Profiles kept for sources that the settings do not name; a flood of invented ids must not fill memory."""

_log = structlog.get_logger(__name__)


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


def read_rules(settings: Settings) -> RuleSet:
    """Load the rules that the settings name, else the bundled ones.

    Raises:
        SettingsError: Rules have faults; every one of them.
    """
    try:
        return load_rules(
            settings.rules or [bundled_rules()],
            pipelines=settings.pipelines,
            placeholders=context_lists(settings.context.folder),
            cache=open_cache(settings.rules_cache.folder, enabled=settings.rules_cache.enabled),
        )
    except RuleErrors as error:
        raise SettingsError(f"rules have faults:\n{error}") from error


def assemble(settings: Settings, clock: Clock) -> Assembly:
    """Build the parts and restore their state.

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
        for note in (*rules.notes, *expired_filters(rules, clock.now_ns())):
            _log.warning("filter_wants_a_look", path=note.path, line=note.line, filter=note.rule, what=note.what)
        return build_stages(settings, rules, context_store, generation=generation)

    driver = Driver(
        rawlog, store, build(ruleset), context_store.apply, feeds=FEED_DATASETS, keep_events=settings.keep_events
    )
    driver.restore()
    return Assembly(rawlog, store, driver, context, ruleset, build)


def build_stages(settings: Settings, ruleset: RuleSet, context: ContextStore, *, generation: int) -> Stages:
    """Make the tasks of one process, with empty state."""
    profiles = settings.profiles()
    engine = Engine(ruleset)
    enricher = Enricher(context)
    logsources = LogSourceMap.load(bundled_rules() / "logsources.yml")
    profile_of = _profile_lookup(profiles)
    reach = Reach(ruleset, logsources, settings, profiles)
    parts = SenseParts(
        engine=engine,
        logsources=logsources,
        enricher=enricher,
        router=CandidateRouter(ruleset),
        profile_of=profile_of,
        covering=reach.covering(),
        fed=reach.fed,
    )
    settler = ContextSettler(context, enricher, engine, logsources, profile_of, int(settings.context.wait))
    raw_partitions = range(settings.raw_partitions)
    sense = [SenseTask(partition, generation, parts) for partition in raw_partitions]
    correlate = Correlator(
        ruleset, raw_partitions, reach.correlation_settings(), settler, max_wait_ns=int(settings.max_wait)
    )
    return Stages(sense, [correlate], GroupTask(AlertWriter(ruleset, version=version("isthmus"))))


def _profile_lookup(profiles: dict[str, SourceProfile]) -> Callable[[str], SourceProfile]:
    @lru_cache(maxsize=MAX_UNKNOWN_SOURCES)
    def lookup(source: str) -> SourceProfile:
        return profiles.get(source) or SourceProfile(id=source)

    return lookup


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
