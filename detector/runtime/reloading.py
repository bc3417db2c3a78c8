"""Hot reload: changed rules are loaded beside the stream, and take over between two batches or not at all."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Info

from detector.alerting.times import utc
from detector.errors import RuleErrors
from detector.rules.bundled import bundled_rules
from detector.rules.model import RuleSet
from detector.runtime.audit import Fact
from detector.runtime.clock import Clock
from detector.runtime.failpoint import failpoint
from detector.settings import Settings

MAX_SHOWN = 1_000
"""Faults on the health page."""

Print = tuple[tuple[str, int, int], ...]
"""Path, time of change and size of each file: changes when any of them does."""

T = TypeVar("T")
"""What is built of rules: tasks, or how to make them."""

_log = structlog.get_logger(__name__)


class RuleMetrics:
    """What is told of the rules in use."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.reloads = Counter("isthmus_rule_reloads", "Reloads of the rules.", ["outcome"], registry=registry)
        self.rules = Gauge("isthmus_rules", "Rules and correlations in use.", registry=registry)
        self.bundle = Info("isthmus_bundle", "The rules in use.", registry=registry)
        for outcome in ("ok", "refused"):
            self.reloads.labels(outcome)

    def show_bundle(self, ruleset: RuleSet) -> None:
        """Name the rules in use."""
        self.rules.set(ruleset.count)
        self.bundle.info({"hash": ruleset.bundle_hash})


class RuleReload(Generic[T]):
    """Keeps the rules of a running engine those on disk.

    Args:
        settings: Where rules, pipelines and lists are, and how often to look.
        active: The rules that were loaded at the start.
        load: Loads the rules.
        build: Makes of rules what takes over.
        adopt: Lets it take over between two batches.
        clock: Tells when rules were refused.
        metrics: Counts reloads.
        tell: Told what was done, for the audit log: an action and its facts.

    Attributes:
        active: The rules loaded last.
        refused: What is wrong with those on disk; None when they are in use.
    """

    def __init__(  # noqa: PLR0913  the steps of a reload
        self,
        settings: Settings,
        active: RuleSet,
        *,
        load: Callable[[Settings], RuleSet],
        build: Callable[[RuleSet], T],
        adopt: Callable[[T], Awaitable[None]],
        clock: Clock,
        metrics: RuleMetrics,
        tell: Callable[[str, Mapping[str, Fact]], None] = lambda _action, _facts: None,
    ) -> None:
        self._tell = tell
        self._settings = settings
        self._load = load
        self._build = build
        self._adopt = adopt
        self._clock = clock
        self._metrics = metrics
        self._asked = asyncio.Event()
        self._seen = _print(watched(settings))
        self.active = active
        self.refused: dict[str, Any] | None = None
        metrics.show_bundle(active)

    def ask(self) -> None:
        """Reload now, as SIGHUP asks; call it on the event loop's thread."""
        self._asked.set()

    async def run(self) -> None:
        """Reload when asked, and when files have changed and then stood still for one look."""
        changed: Print | None = None
        period_s = self._settings.watch_rules / 10**9
        while True:
            try:
                await asyncio.wait_for(self._asked.wait(), period_s or None)
            except TimeoutError:
                found = await asyncio.to_thread(_print, watched(self._settings))
                if found == self._seen or found != changed:
                    changed = found
                    continue
            self._asked.clear()
            await self.reload()

    async def reload(self) -> None:
        """Load the rules on disk and let them take over; with any fault those in use go on.

        When files change while they are read, which may then be half of what is meant, they are read again.
        """
        self._seen = await asyncio.to_thread(_print, watched(self._settings))
        began = time.perf_counter()
        try:
            ruleset, built = await asyncio.to_thread(self._prepare)
        except Exception as error:  # noqa: BLE001  whatever is wrong with new rules, those in use go on
            if await self._stood_still():
                self._refuse(error)
            return
        if not await self._stood_still():
            return
        swapping = time.perf_counter()
        await self._adopt(built)
        _log.info(
            "rules_reloaded",
            rules=ruleset.count,
            bundle=ruleset.bundle_hash,
            before=self.active.bundle_hash,
            prepared_s=round(swapping - began, 3),
            swapped_ms=round((time.perf_counter() - swapping) * 1e3, 1),
        )
        self._tell(
            "rules-activated",
            {"bundle": ruleset.bundle_hash, "before": self.active.bundle_hash, "rules": ruleset.count},
        )
        self.active, self.refused = ruleset, None
        self._metrics.show_bundle(ruleset)
        self._metrics.reloads.labels("ok").inc()

    async def _stood_still(self) -> bool:
        if await asyncio.to_thread(_print, watched(self._settings)) == self._seen:
            return True
        self._asked.set()
        return False

    def _prepare(self) -> tuple[RuleSet, T]:
        ruleset = self._load(self._settings)
        failpoint("reload-loaded")
        return ruleset, self._build(ruleset)

    def _refuse(self, error: Exception) -> None:
        cause = error.__cause__
        faults = (
            [str(fault) for fault in cause.faults] if isinstance(cause, RuleErrors) else [str(error) or repr(error)]
        )
        self.refused = {
            "time": utc(self._clock.now_ns()),
            "faults": len(faults),
            "report": faults[:MAX_SHOWN],
        }
        self._tell("rules-refused", {"bundle": self.active.bundle_hash, "faults": len(faults), "report": faults})
        self._metrics.reloads.labels("refused").inc()
        _log.error("rules_refused", faults=len(faults), active=self.active.bundle_hash, report="\n".join(faults))


def watched(settings: Settings) -> Iterator[Path]:
    """Yield the files and folders whose change is a change of the rules."""
    yield from settings.rules or [bundled_rules()]
    yield bundled_rules() / "logsources.yml"
    for name in settings.pipelines:
        yield Path(name)
    if settings.context.folder is not None:
        yield from sorted(settings.context.folder.glob("lists.*"))


def _print(paths: Iterator[Path]) -> Print:
    return tuple(sorted({each for path in paths for each in _states(path)}))


def _states(path: Path) -> Iterator[tuple[str, int, int]]:
    names: Iterable[str] = [str(path)]
    if path.is_dir():
        found = (f"{folder}/{name}" for folder, _, files in os.walk(path) for name in files)
        names = (name for name in found if name.endswith((".yml", ".yaml")))
    for name in names:
        try:
            state = os.stat(name)  # noqa: PTH116  thousands of files each few seconds
        except OSError:
            continue
        yield name, state.st_mtime_ns, state.st_size
