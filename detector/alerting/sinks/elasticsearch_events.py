"""Events as documents of data streams: each once, as rules saw it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec
import structlog

from connectors.elasticsearch.bulk import BulkWriter, Operation
from connectors.elasticsearch.server import Server
from detector.alerting.parties import nested
from detector.alerting.sinks.delivery import EventDocument
from detector.alerting.sinks.outage import Outage
from detector.alerting.sinks.settings import ElasticsearchSink
from detector.alerting.times import utc
from detector.task import DeadLetter

_DATASET = re.compile(r"[a-z0-9_.]{1,100}", re.ASCII)
_log = structlog.get_logger(__name__)


class ElasticsearchEvents:
    """Creates events in `logs-isthmus.<dataset>-<namespace>`; one that is there already is a conflict and stays.

    A data stream knows ids within its newest index only: what is written again after a rollover is there twice.

    Args:
        settings: Of the sink.
        now_ns: For `event.ingested`.
        reject: Keeps what the cluster refuses.
    """

    def __init__(
        self, settings: ElasticsearchSink, *, now_ns: Callable[[], int], reject: Callable[[DeadLetter], None]
    ) -> None:
        self.name = f"{settings.name}-events"
        self._namespace = settings.namespace
        self._server = Server(settings.connection)
        self._writer = BulkWriter(self._server, request_bytes=settings.max_request_bytes)
        self._now_ns = now_ns
        self._reject = reject
        self._outage = Outage(self.name)

    async def give(self, events: Sequence[EventDocument]) -> None:
        """Return when each event was taken or refused; waits for a cluster that is away."""
        ingested = utc(self._now_ns())
        operations = [each for event in events if (each := self._operation(event, ingested)) is not None]
        while operations:
            written = await self._writer.write(operations)
            for place, reason in written.refused.items():
                self._refuse(operations[place].id, operations[place].source, reason)
            if written.waiting:
                await self._outage.wait(written.problem, moved=len(written.waiting) < len(operations))
            operations = [operations[place] for place in written.waiting]
        self._outage.end()

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()

    def _operation(self, event: EventDocument, ingested: str) -> Operation | None:
        dataset = event.fields.get("event.dataset")
        source = msgspec.json.encode(nested({**event.fields, "event.ingested": ingested}))
        if not isinstance(dataset, str) or _DATASET.fullmatch(dataset) is None:
            self._refuse(event.id, source, "its event.dataset is no part of a data stream's name")
            return None
        return Operation(f"logs-isthmus.{dataset}-{self._namespace}", event.id, source)

    def _refuse(self, event_id: str, source: bytes, reason: str) -> None:
        _log.error("event_rejected", sink=self.name, event_id=event_id, error=reason)
        self._reject(
            DeadLetter(
                id=event_id,
                stage=f"sink:{self.name}",
                source="",
                dataset="isthmus.event",
                received_ns=self._now_ns(),
                error=reason,
                value=source,
            )
        )
