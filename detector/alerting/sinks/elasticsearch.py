"""Alerts as documents of Elasticsearch: one an alert, replaced by each revision."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from connectors.elasticsearch.bulk import BulkWriter, Operation
from connectors.elasticsearch.server import Server
from detector.alert import Alert
from detector.alerting.sinks.delivery import Outcome, Refusal
from detector.alerting.sinks.settings import ElasticsearchSink
from detector.alerting.times import utc

ALERTS = "isthmus-alerts"
"""Alias of all months; outside ``logs-*``, whose built-in template would claim the indices."""

_ID = re.compile(r"(?P<year>\d{4})(?P<month>\d\d)-[0-9a-z]+", re.ASCII)


class ElasticsearchAlerts:
    """Writes each revision under the alert's id with the revision as external version.

    So a repeat, or a lower revision after a higher, is answered with a conflict and changes nothing.
    `event.ingested` is our clock's; the pipeline that `isthmus deploy elastic` sets up writes the cluster's over it.

    Raises:
        ConnectorSettingsError: The connection cannot be made with these settings.
    """

    def __init__(self, settings: ElasticsearchSink, *, now_ns: Callable[[], int]) -> None:
        self._server = Server(settings.connection)
        self._writer = BulkWriter(self._server, request_bytes=settings.max_request_bytes)
        self._now_ns = now_ns

    async def deliver(self, alerts: Sequence[Alert]) -> Outcome:
        """Write revisions, as far as the cluster takes them now."""
        indices = [index_of(alert.id) for alert in alerts]
        known = [(alert, index) for alert, index in zip(alerts, indices, strict=True) if index is not None]
        ingested = utc(self._now_ns())
        written = await self._writer.write([_operation(alert, index, ingested) for alert, index in known])
        refused = [
            Refusal(alert, "its id does not begin with a month, as in 202610-…")
            for alert, index in zip(alerts, indices, strict=True)
            if index is None
        ]
        refused += [Refusal(known[place][0], reason) for place, reason in written.refused.items()]
        return Outcome([known[place][0] for place in written.waiting], refused, written.problem)

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()


def index_of(alert_id: str) -> str | None:
    """Return the index of an alert: the month in its id, so that it stays where it is; None without a month."""
    found = _ID.fullmatch(alert_id)
    return f"{ALERTS}-{found['year']}.{found['month']}" if found is not None else None


def _operation(alert: Alert, index: str, ingested: str) -> Operation:
    event = {**alert.document.get("event", {}), "ingested": ingested}
    source = msgspec.json.encode({**alert.document, "event": event})
    return Operation(index, alert.id, source, version=alert.revision)
