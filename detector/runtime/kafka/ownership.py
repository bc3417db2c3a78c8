"""The tasks of one stage that the consumer group has given to this worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
import structlog
from aiokafka.errors import KafkaError

from connectors.kafka.refusals import explain_error
from detector.errors import DetectorError, StateLostError
from detector.runtime.kafka.life import TaskLife, TaskLostError
from detector.runtime.kafka.poison import Poison
from detector.runtime.kafka.stage import Stage
from detector.runtime.kafka.surroundings import Surroundings
from detector.runtime.kafka.wire import KafkaRecord

REOPEN_S = 3.0
"""A task that was lost is opened again after this long: if another worker has taken it over, the group tells us before,
so that we do not fence the rightful owner."""

_IDLE_TICK_S = 1.5
"""A task that is neither fed nor told that it stands at the end, which happens each second, still learns the time."""

_SOONEST_S = 0.02
_SHARE = 4.0
"""An alert is committed at once, but not sooner after the last checkpoint than this, nor than so many times as long as
that took: under load, when checkpoints take long, many alerts share one."""

_log = structlog.get_logger(__name__)


class Chunk(msgspec.Struct, frozen=True):
    """Records on their way to a task.

    Attributes:
        life: The task's life when they were fetched.
        turn: Its turn then.
        records: In the order of their offsets.
        clock_ns: Set instead of records when the reader stood at the end of the partition: nothing with an earlier
            append time follows.
    """

    life: TaskLife
    turn: int
    records: Sequence[KafkaRecord] = ()
    clock_ns: int | None = None


class Ownership:
    """Opens tasks when they are assigned, keeps them alive, and hands them over.

    Args:
        stage: The stage.
        around: What all tasks share.
        checkpoint_s: Longest time between two checkpoints.
        on_failure: Told what no retry can mend; the worker ends.

    Attributes:
        lives: Partition to the task that is open.
        lost: Lives that an error ended.
        problems: Partition to why its task cannot be opened, and what to do.
        held_s: Monotonic time at which a task was last committed, or tried again.
        read_s: Monotonic time at which the reader last went round.
    """

    def __init__(
        self,
        stage: Stage,
        around: Surroundings,
        *,
        checkpoint_s: float,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self.stage = stage
        self.lives: dict[int, TaskLife] = {}
        self.lost = 0
        self.problems: dict[int, str] = {}
        self._records_before = 0
        self.held_s = self.read_s = time.monotonic()
        self.is_suspended = False
        self._ends: Mapping[int, int] = {}
        self._around = around
        self._checkpoint_s, self._on_failure = checkpoint_s, on_failure
        self._holders: dict[int, asyncio.Task[None]] = {}
        self._poison: dict[int, Poison] = {}

    @property
    def partitions(self) -> tuple[int, ...]:
        """Partitions that are ours, open or not."""
        return tuple(sorted(self._holders))

    @property
    def records(self) -> int:
        """How many records were applied, also by lives that have ended."""
        return self._records_before + sum(life.processed for life in self.lives.values())

    def alive_s(self) -> float:
        """Return the monotonic time of the oldest sign of life that is due; the present one while nothing is ours."""
        if not self._holders:
            return time.monotonic()
        return min(self.held_s, self.read_s)

    def saw_ends(self, ends: Mapping[int, int]) -> None:
        """Learn where partitions end."""
        self._ends = ends

    def lag(self) -> dict[int, int]:
        """Return how many offsets each open task is behind the end that was last seen; markers count too."""
        return {
            partition: max(0, self._ends[partition] - life.position)
            for partition, life in self.lives.items()
            if partition in self._ends
        }

    def readable(self) -> dict[int, Chunk]:
        """Return what to read on for: partition to an empty chunk of its task's present turn."""
        if self.is_suspended:
            return {}
        return {
            partition: Chunk(life, life.turn)
            for partition, life in self.lives.items()
            if life.sought == life.turn and not life.is_full and not life.is_lost
        }

    def unsought(self) -> dict[int, TaskLife]:
        """Return the tasks to whose position the reader must be set."""
        if self.is_suspended:
            return {}
        return {partition: life for partition, life in self.lives.items() if life.sought != life.turn}

    def apply(self, chunk: Chunk) -> None:
        """Apply a chunk, unless its task was lost or handed over since it was fetched."""
        life = chunk.life
        if self.lives.get(life.partition) is not life or chunk.turn != life.turn:
            return
        try:
            if chunk.clock_ns is None:
                life.process(chunk.records)
            else:
                life.tick(chunk.clock_ns)
        except TaskLostError as error:
            _log.warning("task_failed", stage=self.stage.name, partition=life.partition, error=str(error))
        except DetectorError as error:
            self._on_failure(error)

    async def release(self, *, timeout_s: float) -> None:
        """Commit what there is, before partitions may be given to others; nothing is applied until `assign`."""
        self.is_suspended = True
        for life in self.lives.values():
            life.turn += 1
        # One that is just being opened might fence whoever gets it next.
        opening = [self._holders.pop(each) for each in set(self._holders) - set(self.lives)]
        for holder in opening:
            holder.cancel()
        last = [life.checkpoint(timeout_s=timeout_s) for life in self.lives.values()]
        # What fails here is done again by the next owner.
        await asyncio.gather(*last, return_exceptions=True)

    async def assign(self, partitions: Iterable[int]) -> None:
        """Take over what is new, go on with what stayed, let go of the rest."""
        assigned = set(partitions)
        gone = [self._holders.pop(each) for each in set(self._holders) - assigned]
        self.problems = {each: problem for each, problem in self.problems.items() if each in assigned}
        for holder in gone:
            holder.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        self.is_suspended = False
        if not self._holders:
            # While nothing was ours, nothing was due: the last signs of life may be hours old.
            self.held_s = self.read_s = time.monotonic()
        for partition in sorted(assigned - set(self._holders)):
            self._holders[partition] = asyncio.create_task(self._hold(partition), name=f"{self.stage.name} {partition}")
        _log.info("partitions_assigned", stage=self.stage.name, partitions=sorted(assigned))

    async def close(self, *, timeout_s: float) -> None:
        """Commit what there is and let go of everything."""
        await self.release(timeout_s=timeout_s)
        await self.assign(())
        self.is_suspended = True

    async def _hold(self, partition: int) -> None:
        poison = self._poison.setdefault(partition, Poison())
        while self._holds(partition):
            if not self.is_suspended and self._may_open(partition):
                life = TaskLife(self.stage, partition, self._around, poison)
                try:
                    await self._live(life)
                    continue
                except StateLostError as error:
                    self._hold_back(partition, str(error))
                except (TaskLostError, KafkaError, TimeoutError, OSError) as error:
                    self.lost += 1
                    reason = self._around.fault_of(self.stage) or explain_error(error)
                    _log.warning("task_lost", stage=self.stage.name, partition=partition, error=reason)
                except Exception as error:  # noqa: BLE001  handed to the worker, which ends by it
                    self._on_failure(error)
                    return
                finally:
                    self.lives.pop(partition, None)
                    self._records_before += life.processed
                    await life.close()
            self.held_s = time.monotonic()
            await asyncio.sleep(REOPEN_S)

    def _may_open(self, partition: int) -> bool:
        """Tell whether the topics that a task needs are there; the watch has said what is wrong with them."""
        fault = self._around.fault_of(self.stage)
        if fault:
            self.problems[partition] = fault
        return not fault

    def _hold_back(self, partition: int, problem: str) -> None:
        if self.problems.get(partition) != problem:
            _log.error("task_held_back", stage=self.stage.name, partition=partition, error=problem)
        self.problems[partition] = problem

    def _holds(self, partition: int) -> bool:
        """Tell whether a partition is still ours: closing a client may swallow that we were cancelled."""
        return self._holders.get(partition) is asyncio.current_task()

    async def _live(self, life: TaskLife) -> None:
        """Keep a task alive until rules take over that need to read its state anew."""
        began = time.monotonic()
        await life.open()
        if not self._holds(life.partition):
            return
        self.problems.pop(life.partition, None)
        self.lives[life.partition] = life
        _log.info(
            "task_opened",
            stage=self.stage.name,
            partition=life.partition,
            position=life.position,
            seconds=round(time.monotonic() - began, 3),
        )
        # Spread over the interval, so that the checkpoints of a worker's tasks do not all fall on one instant.
        due_s = time.monotonic() + self._checkpoint_s * life.partition / self.stage.partitions
        soon_s = 0.0
        while not life.is_outdated:
            is_due = await until_checkpoint(due_s, life.pressing, soon_s)
            began_s = time.monotonic()
            if is_due:
                due_s = began_s + self._checkpoint_s
                self._go_on(life)
            await life.checkpoint()
            self.held_s = time.monotonic()
            soon_s = self.held_s + max(_SOONEST_S, _SHARE * (self.held_s - began_s))

    def _go_on(self, life: TaskLife) -> None:
        """Apply what context has come for, and tell the time."""
        if not self.is_suspended:
            life.go_on()
        if not self.is_suspended and (life.is_touched or time.monotonic() - life.ticked_s > _IDLE_TICK_S):
            life.tick()


async def until_checkpoint(due_s: float, pressing: asyncio.Event, soon_s: float) -> bool:
    """Wait until a checkpoint is due, or may be made for something pressing; returns whether it is due."""
    await asyncio.sleep(max(0.0, min(soon_s, due_s) - time.monotonic()))
    try:
        async with asyncio.timeout(max(0.0, due_s - time.monotonic())):
            await pressing.wait()
    except TimeoutError:
        return True
    return time.monotonic() >= due_s
