"""Making the tasks of all stages from the settings, for whichever runtime drives them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.metadata import version

from detector.alerting.document import AlertWriter
from detector.correlation.correlator import Correlator
from detector.correlation.routing import CandidateRouter
from detector.engine import Engine
from detector.errors import RuleErrors, SettingsError
from detector.rules.bundled import bundled_rules
from detector.rules.cache import open_cache
from detector.rules.loader import load_rules
from detector.rules.logsources import LogSourceMap
from detector.rules.model import RuleSet
from detector.rules.placeholders import context_lists
from detector.runtime.canary.records import RULES as CANARY_RULES
from detector.runtime.partitioner import partition_of
from detector.runtime.reach import Reach
from detector.runtime.stages.group import GroupTask
from detector.runtime.stages.sense import SenseParts, SenseTask
from detector.runtime.stages.settle import ContextSettler
from detector.runtime.stages.silence import SilencePolicy
from detector.settings import Settings
from detector.task import CANARY_SOURCE
from normalizers.clock.hindsight import Hindsight
from normalizers.context.enrich import Enricher
from normalizers.context.store import ContextStore
from normalizers.source import SourceProfile

MAX_UNKNOWN_SOURCES = 65_536
"""Profiles kept for sources that the settings do not name; a flood of invented ids must not fill memory."""


def read_rules(settings: Settings) -> RuleSet:
    """Load the rules that the settings name, else the bundled ones.

    Raises:
        SettingsError: Rules have faults; every one of them.
    """
    try:
        ruleset = load_rules(
            [*(settings.rules or [bundled_rules()]), *([CANARY_RULES] if settings.canary.every else [])],
            pipelines=settings.pipelines,
            placeholders=context_lists(settings.context.folder),
            cache=open_cache(settings.rules_cache.folder, enabled=settings.rules_cache.enabled),
        )
    except RuleErrors as error:
        raise SettingsError(f"rules have faults:\n{error}") from error
    if all(rule.meta.is_test for rule in ruleset.rules.values()):
        raise SettingsError("there is no rule: nothing would be detected; give `rules` a file or folder that has some")
    return ruleset


class TaskMaker:
    """Makes tasks with empty state; those of one process share what they do not change.

    Args:
        settings: Sources, lateness, bounds.
        ruleset: Rules.
        context: Tables that tasks look up in, kept current by the runtime.
        raw_partitions: How many partitions the raw log has.
        hindsight: What is known of clocks afterwards; None but in a backtest.
    """

    def __init__(
        self,
        settings: Settings,
        ruleset: RuleSet,
        context: ContextStore,
        *,
        raw_partitions: int,
        hindsight: Hindsight | None = None,
    ) -> None:
        self._settings = settings
        self._ruleset = ruleset
        self._raw_partitions = range(raw_partitions)
        profiles = settings.profiles()
        engine, enricher = Engine(ruleset), Enricher(context)
        logsources = LogSourceMap.load(bundled_rules() / "logsources.yml")
        profile_of = _profile_lookup(profiles)
        self.reach = Reach(ruleset, logsources, settings, profiles, context)
        self._parts = SenseParts(
            engine=engine,
            logsources=logsources,
            enricher=enricher,
            router=CandidateRouter(ruleset),
            profile_of=profile_of,
            covering=self.reach.covering(),
            silence=_silence(settings, profile_of),
            expected=_expected(settings, raw_partitions),
            fed=self.reach.fed,
            hindsight=hindsight,
        )
        self._settler = ContextSettler(context, enricher, engine, logsources, profile_of, int(settings.context.wait))

    def sense(self, partition: int, generation: int) -> SenseTask:
        """Make the sense task of a raw partition, for the given owner of it."""
        return SenseTask(partition, generation, self._parts)

    def correlate(self, places: Mapping[str, str]) -> Correlator:
        """Make the correlate task of one partition of candidates.

        Args:
            places: Correlation id to what it must meet in one partition, for those not spread by group.
        """
        return Correlator(
            self._ruleset,
            self._raw_partitions,
            self.reach.correlation_settings(),
            self._settler,
            max_wait_ns=int(self._settings.max_wait),
            places=places,
        )

    def group(self) -> GroupTask:
        """Make the group task."""
        return GroupTask(AlertWriter(self._ruleset, version=version("isthmus")))


def _profile_lookup(profiles: dict[str, SourceProfile]) -> Callable[[str], SourceProfile]:
    @lru_cache(maxsize=MAX_UNKNOWN_SOURCES)
    def lookup(source: str) -> SourceProfile:
        if source.startswith(CANARY_SOURCE):
            return SourceProfile(id=source, clock=None, canary=source.removeprefix(CANARY_SOURCE))
        return profiles.get(source) or SourceProfile(id=source)

    return lookup


def _silence(settings: Settings, profile_of: Callable[[str], SourceProfile]) -> SilencePolicy:
    return SilencePolicy(
        profile_of=profile_of,
        floor_ns=int(settings.silence.floor) if settings.silence.learn else None,
        behind=Counter(each.collector for each in settings.sources.values() if each.collector is not None),
        named=frozenset(settings.sources),
        blink_ns=int(settings.silence.blink),
    )


def _expected(settings: Settings, partitions: int) -> list[dict[str, str]]:
    """Return the sources with a stated expectation, to their datasets, by raw partition."""
    found = [dict[str, str]() for _ in range(partitions)]
    for source, each in settings.sources.items():
        if each.expectation is not None:
            found[partition_of(source, partitions)][source] = each.dataset or ""
    return found
