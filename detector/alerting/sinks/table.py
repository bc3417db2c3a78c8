"""Settings to sink."""

from __future__ import annotations

import time

from detector.alerting.sinks.delivery import Sink
from detector.alerting.sinks.ndjson import NdjsonFile
from detector.alerting.sinks.settings import ElasticsearchSink, KafkaSink, NdjsonSink, SinkSettings
from detector.alerting.sinks.webhook import Webhook


def build_sink(settings: SinkSettings) -> Sink:
    """Make the sink that settings ask for.

    Raises:
        SettingsError: They cannot be met.
    """
    if isinstance(settings, NdjsonSink):
        return NdjsonFile(settings)
    if isinstance(settings, ElasticsearchSink):
        return _elasticsearch(settings)
    if isinstance(settings, KafkaSink):
        return _kafka(settings)
    return Webhook(settings, now_s=time.time)


def _elasticsearch(settings: ElasticsearchSink) -> Sink:
    # The client takes half a second to import, which only its users should pay.
    from detector.alerting.sinks.elasticsearch import ElasticsearchAlerts  # noqa: PLC0415

    return ElasticsearchAlerts(settings, now_ns=time.time_ns)


def _kafka(settings: KafkaSink) -> Sink:
    # As above: a fifth of a second.
    from detector.alerting.sinks.kafka import KafkaAlerts  # noqa: PLC0415

    return KafkaAlerts(settings)
