"""One Faust app a stage: consumer group, agent, driver. No app exists before it is built here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import faust
from faust.app.base import BootStrategy
from yarl import URL

from detector.runtime.kafka.ends import Ends
from detector.runtime.kafka.ownership import Ownership
from detector.runtime.kafka.transport import SESSION_S, ChunkTransport

_QUEUED_CHUNKS = 16
"""Of `CHUNK` records each: what waits between the fetching and the applying."""


class _Services(BootStrategy):
    """What a stage needs of Faust: tasks have producers of their own, and pages are the worker's."""

    enable_kafka_producer = False
    enable_web = False


class StageApp(faust.App):
    """A Faust app that keeps nothing on disk."""

    BootStrategy = _Services

    def _create_directories(self) -> None:
        pass


class _AsFetched(faust.Schema[Any, Any]):
    """Hands a chunk on as it is."""

    def compile(self, app: Any, **_: Any) -> Any:  # noqa: ANN401  Faust's own types
        """Return a decoder that decodes nothing."""

        async def decode(message: Any, *, propagate: bool = False) -> Any:  # noqa: ANN401, ARG001
            return app.create_event(None, message.value, None, message)

        return decode


def build_app(ownership: Ownership, client: Mapping[str, Any], ends: Ends, *, instance: str | None = None) -> StageApp:
    """Make the app of a stage, with its agent.

    Args:
        ownership: Tasks of the stage.
        client: Arguments for clients of the broker.
        ends: Finds the ends of partitions.
        instance: Static membership: a worker that comes back under the same name within the session gets the same
            partitions, and the others notice nothing.
    """
    stage = ownership.stage
    app = StageApp(
        stage.names.group(stage.name),
        # Only to satisfy Faust: the transport connects by `client`.
        broker=[URL(f"kafka://{address}") for address in client["bootstrap_servers"]],
        autodiscover=False,
        datadir=Path("unused"),
        store="memory://",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        stream_wait_empty=False,
        stream_buffer_maxsize=_QUEUED_CHUNKS,
        stream_recovery_delay=0.0,
        table_standby_replicas=0,
        broker_session_timeout=SESSION_S,
        consumer_group_instance_id=instance,
    )
    transport = ChunkTransport(app.conf.broker_consumer, app)
    transport.ownership, transport.client, transport.ends = ownership, client, ends
    app.transport = transport
    topic = app.topic(stage.topic, partitions=stage.partitions, schema=_AsFetched(), key_type=bytes, value_type=bytes)

    async def apply(stream: Any) -> None:  # noqa: ANN401  Faust's own stream
        async for event in stream.noack().events():
            ownership.apply(event.value)

    app.agent(topic, name=stage.name)(apply)
    return app
