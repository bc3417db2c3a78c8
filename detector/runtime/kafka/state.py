"""The state of one task in its compacted topic: what it remembers, and how far it has come."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from detector.errors import StateError
from detector.stateversion import opened, sealed
from detector.task import Task

PROGRESS_KEY = b"\x00progress"
"""Sorts before and differs from every key of a task."""

_SLICE = 5_000
"""Entries given to a task at once; between two slices other tasks get their turn."""

_FETCH_BYTES = 8 << 20

_encoder = msgspec.msgpack.Encoder()


class Progress(msgspec.Struct, frozen=True, array_like=True):
    """How far a task has come.

    Attributes:
        position: Offset of the next record of its input.
        generation: How many owners the task has had.
        ready_ns: Largest append time among the records before.
        topic_id: Of the input: one that was deleted and made anew has another.
        bundle: Hash of the rules by which the task decides.
    """

    position: int = 0
    generation: int = 0
    ready_ns: int = 0
    topic_id: bytes = b""
    bundle: str = ""


class StoredState(msgspec.Struct):
    """What the topic holds: the last value of each key."""

    entries: dict[bytes, bytes]
    progress: Progress

    async def restore(self, task: Task) -> None:
        """Give a task its entries, in the order of their keys."""
        for number, key in enumerate(sorted(self.entries)):
            task.restore(key, self.entries[key])
            if number % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
        task.restored()


def encode_progress(progress: Progress) -> bytes:
    """Write progress as the value of its key."""
    return sealed(_encoder.encode(progress))


def decode_progress(value: bytes) -> Progress:
    """Read progress.

    Raises:
        StateError: It is of another version, or not readable.
    """
    try:
        return msgspec.msgpack.decode(opened("progress", value), type=Progress)
    except msgspec.DecodeError as error:
        raise StateError(f"progress cannot be read: {error}") from error


async def read_state(client: Mapping[str, Any], topic: str, partition: int) -> StoredState:
    """Read one partition of a state topic whole.

    The owner before must be fenced already: then nothing of it can follow.

    Raises:
        StateError: The progress cannot be read.
        KafkaError: The broker cannot be asked.
    """
    entries = await read_latest(client, topic, partition)
    progress = entries.pop(PROGRESS_KEY, None)
    return StoredState(entries, Progress() if progress is None else decode_progress(progress))


async def read_latest(client: Mapping[str, Any], topic: str, partition: int) -> dict[bytes, bytes]:
    """Return the last value of each key that a partition holds; what was deleted is absent.

    Raises:
        KafkaError: The broker cannot be asked.
    """
    place = TopicPartition(topic, partition)
    found = dict[bytes, bytes]()
    reader = AIOKafkaConsumer(
        **client,
        isolation_level="read_committed",
        enable_auto_commit=False,
        max_partition_fetch_bytes=_FETCH_BYTES,
        fetch_max_wait_ms=50,
    )
    await reader.start()
    try:
        reader.assign([place])
        await reader.seek_to_beginning(place)
        end = (await reader.end_offsets([place]))[place]
        # The position, not the offset of the last record: the last offset of a transaction is its marker.
        while await reader.position(place) < end:
            for records in (await reader.getmany(timeout_ms=200)).values():
                for record in records:
                    if record.value is None:
                        found.pop(record.key, None)
                    else:
                        found[record.key] = record.value
    finally:
        await reader.stop()
    return found
