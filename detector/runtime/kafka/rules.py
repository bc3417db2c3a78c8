"""The rules of a worker: loaded when they change, and compared with what all workers are to decide by."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import structlog

from detector.rules.model import RuleSet
from detector.runtime.assembly import read_rules
from detector.runtime.audit import Fact
from detector.runtime.clock import Clock
from detector.runtime.kafka.bundles import Bundles, Loaded
from detector.runtime.kafka.contextfiles import PUBLISHED_AHEAD_NS
from detector.runtime.kafka.metrics import WorkerMetrics
from detector.runtime.kafka.ownership import Ownership
from detector.runtime.kafka.stage import Stage
from detector.runtime.reloading import RuleReload
from detector.settings import Settings

_log = structlog.get_logger(__name__)


class WorkerRules:
    """Keeps the rules of a worker those on disk, and says when they are not those of the others.

    Args:
        settings: Where rules are, and how often to look.
        ruleset: Those that the worker starts with.
        clock: Wall time.
        build: Makes the stages of rules.
        metrics: Shows what is in use.
        tell: Told what was done, for the audit log.

    Attributes:
        stages: Of the rules that the worker starts with.
        bundles: Which rules are here, and when they take over.
        reloading: Loads what changes on disk.
        ahead_ns: How long after an announcement rules take over: long enough for workers that look by themselves to
            have looked twice.
    """

    def __init__(  # noqa: PLR0913, PLR0917  what rules touch in a worker
        self,
        settings: Settings,
        ruleset: RuleSet,
        clock: Clock,
        build: Callable[[RuleSet], Mapping[str, Stage]],
        metrics: WorkerMetrics,
        tell: Callable[[str, Mapping[str, Fact]], None],
    ) -> None:
        self.stages = build(ruleset)
        self._grace_s = settings.max_wait / 10**9
        self.bundles = Bundles(Loaded(ruleset, self.stages), clock.now_ns(), self._grace_s)
        self.ahead_ns = 2 * settings.watch_rules + PUBLISHED_AHEAD_NS
        self.reloading = RuleReload(
            settings,
            ruleset,
            load=read_rules,
            build=lambda rules: Loaded(rules, build(rules)),
            adopt=self.bundles.load,
            clock=clock,
            metrics=metrics.rules,
            # Tasks tell themselves when rules take over, each in its own commit.
            tell=lambda action, facts: None if action == "rules-activated" else tell(action, facts),
        )
        self._differs_since_s: float | None = None
        self._is_told = False
        metrics.differs.set_function(lambda: self.bundles.loaded != self.bundles.announced)

    def report(self, ownerships: Mapping[str, Ownership]) -> dict[str, object]:
        """Return what the heartbeat says of rules; while they change, tasks may decide by two bundles."""
        deciding = {life.stage.bundle for each in ownerships.values() for life in list(each.lives.values())}
        return {
            "bundle": " ".join(sorted(deciding)) or self.bundles.loaded,
            "bundle_loaded": self.bundles.loaded,
            "bundle_announced": self.bundles.announced,
            "rules_refused": self.reloading.refused,
            "rules_differ": bool(self.problems()),
        }

    def problems(self) -> list[str]:
        """Return what is wrong: rules that are not those of the others for longer than a change takes."""
        loaded, announced = self.bundles.loaded, self.bundles.announced
        if loaded == announced:
            self._differs_since_s, self._is_told = None, False
            return []
        self._differs_since_s = self._differs_since_s or time.monotonic()
        if time.monotonic() - self._differs_since_s <= self._grace_s:
            return []
        if not self._is_told:
            self._is_told = True
            _log.warning("rules_differ", loaded=loaded, announced=announced)
        return [f"rules {loaded} are loaded here, {announced} were announced"]
