"""Settings to sink."""

from __future__ import annotations

import time

from detector.alerting.sinks.delivery import Sink
from detector.alerting.sinks.ndjson import NdjsonFile
from detector.alerting.sinks.settings import ElasticsearchSink, NdjsonSink, SinkSettings
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
    return Webhook(settings, now_s=time.time)


def _elasticsearch(settings: ElasticsearchSink) -> Sink:
    # The client takes half a second to import, which only its users should pay.
    from detector.alerting.sinks.elasticsearch import ElasticsearchAlerts  # noqa: PLC0415

    return ElasticsearchAlerts(settings, now_ns=time.time_ns)
