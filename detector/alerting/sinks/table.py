"""Settings to sink."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from detector.alerting.sinks.delivery import EventSink, Sink
from detector.alerting.sinks.ndjson import NdjsonFile
from detector.alerting.sinks.settings import ElasticsearchSink, KafkaSink, NdjsonSink, SinkSettings
from detector.alerting.sinks.testalerts import WithoutTests
from detector.alerting.sinks.webhook import Webhook
from detector.task import DeadLetter


def build_sink(settings: SinkSettings) -> Sink:
    """Make the sink that settings ask for.

    Raises:
        SettingsError: They cannot be met.
    """
    sink = _sink(settings)
    return sink if settings.tests else WithoutTests(sink)


def _sink(settings: SinkSettings) -> Sink:
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


def build_event_sinks(sinks: Sequence[SinkSettings], reject: Callable[[DeadLetter], None]) -> list[EventSink]:
    """Make what takes events, of the sinks whose settings ask for them.

    Raises:
        ConnectorSettingsError: A connection cannot be made with its settings.
    """
    asking = [sink for sink in sinks if isinstance(sink, ElasticsearchSink) and sink.events]
    if not asking:
        return []
    from detector.alerting.sinks.elasticsearch_events import ElasticsearchEvents  # noqa: PLC0415  as above

    return [ElasticsearchEvents(sink, now_ns=time.time_ns, reject=reject) for sink in asking]
