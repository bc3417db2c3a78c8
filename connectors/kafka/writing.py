"""Writes records to one topic, each acknowledged by every copy that is in sync."""

from __future__ import annotations

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from connectors.errors import DestinationUnavailableError, DocumentRejectedError, SourceUnavailableError
from connectors.kafka.admin import administering
from connectors.kafka.client import client_arguments, start_client
from connectors.kafka.refusals import explain_error
from connectors.kafka.settings import KafkaConnection

MAX_RECORD_BYTES = 12 << 20
"""The client's own bound; the topic's, `max.message.bytes`, may be lower."""


class TopicWriter:
    """Opens on first use, and anew after a failure.

    Args:
        connection: The cluster.
        topic: Must exist: where the broker makes topics by itself, a mistyped name would look like success.

    Raises:
        ConnectorSettingsError: A certificate or secret cannot be read.
    """

    def __init__(self, connection: KafkaConnection, topic: str) -> None:
        self._connection = connection
        self._topic = topic
        self._arguments = client_arguments(connection, "isthmus-output")
        self._producer: AIOKafkaProducer | None = None

    async def write(self, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        """Append one record; returns when it is safe.

        Raises:
            DestinationUnavailableError: The brokers do not take it now.
            DocumentRejectedError: It is too large for the topic.
        """
        try:
            producer = self._producer or await self._open()
            await producer.send_and_wait(self._topic, value, key=key, headers=headers)
        except MessageSizeTooLargeError as error:
            # The number that the client gave it is missing in the broker's sequence: no other would be taken.
            await self.close()
            raise DocumentRejectedError(f"topic {self._topic} takes no record of {len(value)} bytes") from error
        except (SourceUnavailableError, KafkaError, TimeoutError) as error:
            await self.close()
            raise DestinationUnavailableError(explain_error(error)) from error

    async def close(self) -> None:
        """Close the connection."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def _open(self) -> AIOKafkaProducer:
        async with administering(self._connection) as admin:
            if self._topic not in await admin.read({self._topic}, configs=False):
                raise DestinationUnavailableError(f"there is no topic {self._topic}, or we may not see it")
        # Idempotent: what the client sends again after a lost answer is not appended twice.
        self._producer = AIOKafkaProducer(
            **self._arguments, acks="all", enable_idempotence=True, max_request_size=MAX_RECORD_BYTES
        )
        await start_client(self._producer, self._connection)
        return self._producer
