"""The loop that drives the tasks while the engine is up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from detector.alert import Alert
from detector.runtime.clock import Clock
from detector.runtime.embedded.driver import Driver, Progress
from detector.runtime.embedded.enginelog import engine_documents
from detector.runtime.embedded.rawlog import RawLog
from detector.runtime.embedded.store import EngineStore

TICK_S = 1.0
"""Wall seconds between ticks while nothing arrives."""

HOUSEKEEPING_S = 10.0
"""Wall seconds between looks at context files, in the tasks' own thread so that no lookup races with a change."""


class Worker:
    """Runs passes and checkpoints in a thread of its own, so that listeners stay responsive."""

    def __init__(  # noqa: PLR0913  its callbacks are the engine's
        self,
        driver: Driver,
        rawlog: RawLog,
        store: EngineStore,
        clock: Clock,
        *,
        checkpoint_s: float,
        on_progress: Callable[[Progress], None],
        on_alerts: Callable[[list[Alert]], None],
        housekeep: Callable[[], None] = lambda: None,
    ) -> None:
        self._driver = driver
        self._rawlog = rawlog
        self._store = store
        self._clock = clock
        self._checkpoint_s = checkpoint_s
        self._on_progress = on_progress
        self._on_alerts = on_alerts
        self._housekeep = housekeep
        self._housekept_s = time.monotonic()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="isthmus-tasks")
        self._wake = asyncio.Event()
        self._stopping = False
        self.paused = False
        self._failed: Exception | None = None
        self._uncommitted: list[Alert] = []
        self._committed_s = time.monotonic()
        self._drains: list[asyncio.Future[None]] = []

    def wake(self, _count: int = 0) -> None:
        """Tell the loop that something was appended; call it on the event loop's thread."""
        self._wake.set()

    async def drain(self) -> None:
        """Wait until everything appended so far is applied under the present clock, and committed."""
        future = asyncio.get_running_loop().create_future()
        self._drains.append(future)
        self._wake.set()
        await future

    async def between(self, errand: Callable[[], None]) -> None:
        """Do something in the tasks' thread between two passes; if it fails, so does the worker."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._do, errand)
        finally:
            self._wake.set()

    async def run(self) -> None:
        """Run until `stop`; an error of a task or of the databases ends it, with nothing committed in part."""
        loop = asyncio.get_running_loop()
        try:
            while not self._stopping:
                self._wake.clear()
                if self.paused:
                    # A sink is far behind: the raw log keeps what comes in, and nothing grows in memory.
                    await self._sleep()
                    continue
                drains, self._drains = self._drains, []
                progress = await loop.run_in_executor(self._thread, self._pass, bool(drains))
                self._publish(progress)
                if progress.at_end:
                    for future in drains:
                        future.set_result(None)
                    await self._sleep()
                else:
                    self._drains = drains + self._drains
            await loop.run_in_executor(self._thread, self._commit)
        finally:
            for future in self._drains:
                future.cancel()
            self._thread.shutdown()

    def stop(self) -> None:
        """End the loop after the present pass, with a last checkpoint."""
        self._stopping = True
        self._wake.set()

    async def _sleep(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), TICK_S)
        except TimeoutError:
            return

    def _do(self, errand: Callable[[], None]) -> None:
        try:
            errand()
        except Exception as error:
            self._failed = error
            raise

    def _pass(self, commit: bool) -> Progress:
        if self._failed is not None:
            # Tasks may have taken over in part: nothing more may be decided or committed by them.
            raise self._failed
        if time.monotonic() - self._housekept_s >= HOUSEKEEPING_S:
            self._housekeep()
            self._housekept_s = time.monotonic()
        progress = self._driver.step(self._clock.now_ns())
        self._uncommitted.extend(progress.alerts)
        due = time.monotonic() - self._committed_s >= self._checkpoint_s
        if due or (progress.at_end and (commit or self._uncommitted)):
            # What the engine noticed is input again, so the end has moved.
            progress.at_end = not self._commit() and progress.at_end
        return progress

    def _commit(self) -> bool:
        """Commit, then move engine events into the raw log; tell whether there were any."""
        if self._failed is not None:
            raise self._failed
        self._driver.checkpoint()
        self._committed_s = time.monotonic()
        rows = self._store.outbox()
        if rows:
            self._rawlog.append(engine_documents(rows))
            self._store.clear_outbox([row.id for row in rows])
        return bool(rows)

    def _publish(self, progress: Progress) -> None:
        self._on_progress(progress)
        if self._uncommitted and self._driver.is_committed:
            alerts, self._uncommitted = self._uncommitted, []
            self._on_alerts(alerts)
