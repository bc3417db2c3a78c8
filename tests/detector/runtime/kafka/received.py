"""A record as a Kafka client hands it out."""

from __future__ import annotations

from detector.runtime.kafka.wire import Headers


class Received:
    """A record of the raw log with some headers."""

    def __init__(self, headers: Headers) -> None:
        self.topic, self.partition, self.offset, self.timestamp = "raw", 0, 1, 1
        self.key: bytes | None = b"s"
        self.value: bytes | None = b"v"
        self.headers = headers
