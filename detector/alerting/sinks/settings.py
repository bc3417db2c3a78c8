"""Settings of sinks; `type` tells which."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from connectors.elasticsearch.settings import DEFAULT_REQUEST_BYTES, Elasticsearch
from connectors.kafka.settings import KafkaConnection
from detector.duration import Duration, parse_duration


class NdjsonSink(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ndjson"):
    """One JSON document a line, one line a revision.

    Attributes:
        path: File, reopened when it was rotated away; ``-`` is standard output.
        name: For messages and metrics.
        sync: Sync each line to disk.
        tests: Also take test alerts, which canaries make.
    """

    path: str = "-"
    name: str = "ndjson"
    sync: bool = False
    tests: bool = False


class WebhookSink(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="webhook"):
    """An HTTP POST a revision, signed when a secret is given.

    Attributes:
        url: https, or http on loopback.
        secret_file: File with the HMAC key.
        ca_file: Certificates to trust instead of the system's.
        timeout: For one attempt.
        attempts: Before the sink counts as unavailable and the delivery starts anew.
        name: For messages and metrics.
        tests: Also take test alerts, which canaries make: not where a telephone rings.
    """

    url: str
    secret_file: Path | None = None
    ca_file: Path | None = None
    timeout: Duration = parse_duration("10s")
    attempts: int = 5
    name: str = "webhook"
    tests: bool = False


_NAMESPACE = re.compile(r"[a-z0-9_]{1,100}", re.ASCII)


class ElasticsearchSink(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="elasticsearch"):
    """A document an alert in `isthmus-alerts-<yyyy.MM>`, replaced by each revision; on request also events.

    Attributes:
        connection: The cluster, and who we are there.
        max_request_bytes: Largest bulk request; halved by itself where the cluster or a proxy takes less.
        events: Also write every event, into data streams `logs-isthmus.<dataset>-<namespace>`.
        namespace: Last part of their names.
        keep_alerts: Age at which `isthmus deploy elastic` has alerts deleted.
        keep_events: The same for events.
        name: For messages and metrics.
        tests: Also take test alerts, which canaries make; `convergence.alert.test` tells them.
    """

    connection: Elasticsearch
    max_request_bytes: int = DEFAULT_REQUEST_BYTES
    events: bool = False
    namespace: str = "default"
    keep_alerts: Duration = parse_duration("400d")
    keep_events: Duration = parse_duration("30d")
    name: str = "elasticsearch"
    tests: bool = True

    def __post_init__(self) -> None:
        """Refuse what is no part of a data stream's name."""
        if _NAMESPACE.fullmatch(self.namespace) is None:
            raise ValueError(f"namespace {self.namespace!r}: lower-case letters, digits and _")


class KafkaSink(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="kafka"):
    """A record a revision, as `isthmus worker` writes them.

    Attributes:
        connection: The cluster.
        topic: Must exist.
        name: For messages and metrics.
        tests: Also take test alerts, which canaries make; the header `test` tells them.
    """

    connection: KafkaConnection
    topic: str = "isthmus.alerts.v1"
    name: str = "kafka"
    tests: bool = True


SinkSettings = NdjsonSink | WebhookSink | ElasticsearchSink | KafkaSink


def anchored(sink: SinkSettings, folder: Path) -> SinkSettings:
    """Return settings whose relative paths begin at a folder."""
    replace = msgspec.structs.replace
    if isinstance(sink, NdjsonSink):
        return sink if sink.path == "-" else replace(sink, path=str(folder / sink.path))
    if isinstance(sink, WebhookSink):
        return replace(sink, secret_file=_under(folder, sink.secret_file), ca_file=_under(folder, sink.ca_file))
    if isinstance(sink, KafkaSink):
        return replace(sink, connection=sink.connection.anchored(folder))
    connection = replace(
        sink.connection,
        ca_file=_under(folder, sink.connection.ca_file),
        api_key_file=_under(folder, sink.connection.api_key_file),
        password_file=_under(folder, sink.connection.password_file),
    )
    return replace(sink, connection=connection)


def _under(folder: Path, path: Path | None) -> Path | None:
    return None if path is None else folder / path
