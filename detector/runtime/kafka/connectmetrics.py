"""Figures of a connector, in Prometheus' form, read off its log and its forwarder when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from detector.runtime.embedded.rawlog import RawLog
from detector.runtime.kafka.forwarding import Forwarder

Family = CounterMetricFamily | GaugeMetricFamily


class ConnectMetrics(Collector):
    """One registry a connector."""

    def __init__(self, rawlog: RawLog, forwarder: Forwarder, limit_bytes: int) -> None:
        self._rawlog, self._forwarder, self._limit_bytes = rawlog, forwarder, limit_bytes
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Family]:
        """Yield what is true now."""
        forwarder = self._forwarder
        yield CounterMetricFamily("isthmus_connect_records", "Records that Kafka has taken.", value=forwarder.forwarded)
        yield GaugeMetricFamily("isthmus_connect_waiting", "Records on disk.", value=self._rawlog.length())
        yield GaugeMetricFamily("isthmus_connect_log_bytes", "What they take up.", value=self._rawlog.used_bytes())
        yield GaugeMetricFamily("isthmus_connect_log_limit_bytes", "What they may take up.", value=self._limit_bytes)
        yield GaugeMetricFamily(
            "isthmus_connect_forwarding", "1 while Kafka takes what is sent.", value=int(not forwarder.problem)
        )
