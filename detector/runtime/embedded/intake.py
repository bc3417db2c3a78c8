"""Where connectors put documents: batched, bounded, and acknowledged only when durable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import structlog

from connectors.errors import SourceUnavailableError
from connectors.recognition import recognise
from connectors.record import Document, hashed_id
from detector.errors import NoRoomError
from detector.runtime.clock import Clock
from detector.runtime.embedded.rawlog import RawLog
from detector.task import CANARY_SOURCE, ENGINE_DATASET, DeadLetter

MAX_WAITING_BYTES = 32 << 20
"""Documents that wait for their append; above it `put` waits, which stops the reading of sockets."""

MAX_REJECTED_BYTES = 64 << 10
"""How much of a rejected message is kept in its dead letter."""

ROOM_S = 1.0
"""How often to look whether there is room again."""

_TELL_S = 60.0
"""A disk that is full is told this often."""

_log = structlog.get_logger(__name__)


class BatchingIntake:
    """Appends what connectors put, many puts to one transaction.

    Attributes:
        problem: Why nothing can be appended now; empty while all is well.
    """

    def __init__(
        self,
        rawlog: RawLog,
        clock: Clock,
        on_reject: Callable[[list[DeadLetter]], None],
        *,
        datasets: dict[str, str],
        on_append: Callable[[int], None],
    ) -> None:
        self._rawlog = rawlog
        self._clock = clock
        self._on_reject = on_reject
        self._on_append = on_append
        self._datasets = datasets
        self._waiting: list[tuple[list[Document], asyncio.Future[None]]] = []
        self._waiting_bytes = 0
        self._changed = asyncio.Condition()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="isthmus-append")
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._told_s = -_TELL_S
        self.problem = ""

    def start(self) -> None:
        """Begin appending."""
        self._task = asyncio.create_task(self._run(), name="intake")

    async def stop(self) -> None:
        """Append what waits, then refuse further documents."""
        async with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def put(self, documents: Sequence[Document]) -> None:
        """Append documents; returns when they are durable, waits while too much is waiting or the disk is full.

        Raises:
            SourceUnavailableError: The engine is stopping, or the raw log cannot be written.
        """
        named, unknown = self._name_datasets(documents)
        if unknown:
            self._keep(unknown)
        await self.append(named)

    async def append(self, named: Sequence[Document]) -> None:
        """Append documents whose datasets are known, such as the engine's own; otherwise as `put`.

        Raises:
            SourceUnavailableError: As `put`.
        """
        if not named:
            return
        size = sum(len(document.value) for document in named)
        future = asyncio.get_running_loop().create_future()
        async with self._changed:
            while self._waiting_bytes >= MAX_WAITING_BYTES and not self._stopping:
                await self._changed.wait()
            if self._stopping:
                raise SourceUnavailableError("the engine is stopping; send again later")
            self._waiting.append((list(named), future))
            self._waiting_bytes += size
            self._changed.notify_all()
        await future

    async def reject(self, source: str, dataset: str, value: bytes, reason: str) -> None:
        """Keep a message that cannot become a document as a dead letter.

        Raises:
            SourceUnavailableError: There is no room for it.
        """
        self._keep([self._letter(source, dataset, value, reason, "connector")])

    def position_of(self, input_id: str) -> int | None:
        """Return how far an input that can be read again has been taken."""
        return self._rawlog.position_of(input_id)

    def _keep(self, letters: list[DeadLetter]) -> None:
        try:
            self._on_reject(letters)
        except NoRoomError as error:
            self._tell(str(error))
            raise SourceUnavailableError(f"{error}; send again later") from error

    def _name_datasets(self, documents: Sequence[Document]) -> tuple[list[Document], list[DeadLetter]]:
        named = list[Document]()
        unknown = list[DeadLetter]()
        for document in documents:
            dataset = document.dataset or self._datasets.get(document.source) or recognise(document.value)
            if dataset == ENGINE_DATASET or document.source.startswith(CANARY_SOURCE):
                reason = "only the engine itself may say what the engine noticed, and send canaries"
                unknown.append(self._letter(document.source, dataset or "", document.value, reason, "recognise"))
            elif dataset is None:
                reason = "no recogniser knows this record; set `dataset` of the source, or try `isthmus inspect`"
                unknown.append(self._letter(document.source, "", document.value, reason, "recognise"))
            elif dataset == document.dataset:
                named.append(document)
            else:
                named.append(msgspec.structs.replace(document, dataset=dataset))
        return named, unknown

    def _letter(self, source: str, dataset: str, value: bytes, reason: str, stage: str) -> DeadLetter:
        received_ns = self._clock.now_ns()
        return DeadLetter(
            id=hashed_id("rejected", source, received_ns, value[:MAX_REJECTED_BYTES]),
            stage=stage,
            source=source,
            dataset=dataset,
            received_ns=received_ns,
            error=reason,
            value=value[:MAX_REJECTED_BYTES],
        )

    async def _append(self, documents: list[Document]) -> None:
        """Append as soon as there is room: meanwhile no socket is read, and nothing is acknowledged.

        Raises:
            NoRoomError: The engine is stopping, and there was none.
        """
        while True:
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._rawlog.append, documents)
            except NoRoomError as error:
                if self._stopping:
                    raise
                self._tell(str(error))
                await asyncio.sleep(ROOM_S)
            else:
                self.problem = ""
                return

    def _tell(self, problem: str) -> None:
        self.problem = problem
        if time.monotonic() - self._told_s >= _TELL_S:
            self._told_s = time.monotonic()
            _log.error("intake_held_up", error=problem, used_bytes=self._rawlog.used_bytes())

    async def _run(self) -> None:
        while True:
            async with self._changed:
                while not self._waiting and not self._stopping:
                    await self._changed.wait()
                taken, self._waiting = self._waiting, []
            if not taken:
                return
            documents = [document for part, _ in taken for document in part]
            try:
                await self._append(documents)
            except Exception as error:  # noqa: BLE001  handed to everyone who waits for this append
                unavailable = SourceUnavailableError(f"the raw log cannot be written: {error}")
                for _, future in taken:
                    if not future.done():
                        future.set_exception(unavailable)
            else:
                for _, future in taken:
                    if not future.done():
                        future.set_result(None)
            self._on_append(len(documents))
            async with self._changed:
                self._waiting_bytes -= sum(len(document.value) for document in documents)
                self._changed.notify_all()
