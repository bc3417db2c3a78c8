"""Announcing rules to all workers, by the one that writes the alerts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from connectors.kafka.refusals import explain_error
from detector.runtime.clock import Clock
from detector.runtime.kafka.bundles import Bundles
from detector.runtime.kafka.wire import encode_passed
from detector.task import Bundle
from normalizers.timestamps import format_utc

BUNDLE_KEY = b"bundle"
"""Under it the context log keeps which rules decide."""

_LOOK_S = 0.5
_log = structlog.get_logger(__name__)


class Announcer:
    """Announces what was loaded here while this worker leads.

    Args:
        client: Arguments for clients of the broker.
        topic: The context log.
        bundles: What was loaded and announced.
        clock: Wall time.
    """

    def __init__(self, client: Mapping[str, Any], topic: str, bundles: Bundles, clock: Clock) -> None:
        self._client, self._topic, self._bundles, self._clock = client, topic, bundles, clock

    async def run(self, *, leads: Callable[[], bool], ahead_ns: int) -> None:
        """Look and announce until cancelled.

        Args:
            leads: Whether this worker has the one task that writes alerts.
            ahead_ns: How long after the announcement rules take over: the others must have them by then.
        """
        told = ""
        while True:
            await asyncio.sleep(_LOOK_S)
            loaded = self._bundles.unannounced()
            if loaded is None:
                told = ""
            elif leads() and loaded != told and await self._announce(loaded, self._clock.now_ns() + ahead_ns):
                told = loaded

    async def _announce(self, loaded: str, from_ns: int) -> bool:
        producer = AIOKafkaProducer(**self._client, enable_idempotence=True)
        value = encode_passed(Bundle(loaded, from_ns))
        try:
            await producer.start()
            await producer.send_and_wait(self._topic, value, key=BUNDLE_KEY, partition=0)
        except (KafkaError, OSError) as error:
            _log.warning("rules_not_announced", bundle=loaded, reason=explain_error(error))
            return False
        finally:
            await producer.stop()
        _log.info("rules_announced", bundle=loaded, at=format_utc(from_ns))
        return True
