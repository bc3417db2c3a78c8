"""Alerts as records of a topic, as `isthmus worker` writes them."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.errors import DestinationUnavailableError, DocumentRejectedError
from connectors.kafka.writing import TopicWriter
from detector.alert import Alert
from detector.alerting.contract import alert_headers, alert_value
from detector.alerting.sinks.delivery import Outcome, one_by_one
from detector.alerting.sinks.settings import KafkaSink
from detector.errors import SinkRejectedError, SinkUnavailableError


class KafkaAlerts:
    """Appends each revision. After a crash the last may come twice, told apart by key and header `revision`.

    Raises:
        ConnectorSettingsError: A certificate or secret cannot be read.
    """

    def __init__(self, settings: KafkaSink) -> None:
        self._writer = TopicWriter(settings.connection, settings.topic)

    async def deliver(self, alerts: Sequence[Alert]) -> Outcome:
        """Append revisions, as far as the brokers take them now."""
        return await one_by_one(alerts, self._append)

    async def close(self) -> None:
        """Close the connection."""
        await self._writer.close()

    async def _append(self, alert: Alert) -> None:
        try:
            await self._writer.write(alert.id.encode(), alert_value(alert), alert_headers(alert))
        except DestinationUnavailableError as error:
            raise SinkUnavailableError(str(error)) from error
        except DocumentRejectedError as error:
            raise SinkRejectedError(str(error)) from error
