"""Settings of the inputs; each `type` is one Struct."""

from __future__ import annotations

from pathlib import Path

import msgspec

from connectors.kafka.settings import KafkaTopics
from connectors.secret import read_secret

DEFAULT_UDP_BYTES = 64 << 10
"""A UDP datagram cannot be larger."""

DEFAULT_TCP_BYTES = 1 << 20
"""Windows events in syslog reach some 100 KiB; 1 MiB leaves room and still bounds a connection's memory."""

DEFAULT_LINE_BYTES = 10 << 20
"""Longest line of a file; a longer one is a dead letter, not a reason to stop."""


class Sender(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of one sender's address."""

    source: str
    dataset: str = ""


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """TLS of a listener.

    Attributes:
        certificate: PEM chain.
        key: PEM key.
        client_ca: When set, clients must show a certificate signed by it.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


class SyslogUdp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="syslog_udp", tag_field="type"):
    """Syslog over UDP.

    Attributes:
        host: Address to bind; loopback unless said otherwise.
        port: 0 picks a free one.
        source: Source of every message, when all come from one.
        dataset: Dataset of every message, when there is one.
        senders: Source and dataset by sender's address.
        max_message_bytes: Longer datagrams are cut by the system and refused.
    """

    host: str = "127.0.0.1"
    port: int = 5514
    source: str = ""
    dataset: str = ""
    senders: dict[str, Sender] = {}
    max_message_bytes: int = DEFAULT_UDP_BYTES


class SyslogTcp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="syslog_tcp", tag_field="type"):
    """Syslog over TCP or TLS; octet counting and newline framing are told apart frame by frame.

    Attributes:
        host: Address to bind.
        port: 0 picks a free one.
        source: Source of every message, when all come from one.
        dataset: Dataset of every message, when there is one.
        senders: Source and dataset by sender's address.
        max_message_bytes: Longer messages are dead letters.
        max_connections: Further ones are closed at once.
        idle_s: A connection that says nothing for so long is closed.
        tls: Certificate of the listener; unset: plain TCP.
    """

    host: str = "127.0.0.1"
    port: int = 5514
    source: str = ""
    dataset: str = ""
    senders: dict[str, Sender] = {}
    max_message_bytes: int = DEFAULT_TCP_BYTES
    max_connections: int = 512
    idle_s: float = 3_600.0
    tls: Tls | None = None


class HttpPush(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="http", tag_field="type"):
    """HTTP push: `POST /v1/records`.

    Attributes:
        host: Address to bind.
        port: 0 picks a free one.
        source: Source of requests that name none in `X-Isthmus-Source`.
        dataset: Dataset of requests that name none in `X-Isthmus-Dataset`.
        token_file: File with the bearer token; without token every request is taken.
        token_env: Environment variable with the bearer token.
        max_body_bytes: Larger bodies are answered 413; also the limit after decompression.
        max_requests: Requests taken at once; further ones are answered 429.
        tls: Certificate of the listener.
    """

    host: str = "127.0.0.1"
    port: int = 8687
    source: str = ""
    dataset: str = ""
    token_file: Path | None = None
    token_env: str | None = None
    max_body_bytes: int = 16 << 20
    max_requests: int = 64
    tls: Tls | None = None

    def token(self) -> str | None:
        """Read the bearer token.

        Raises:
            ConnectorSettingsError: The file or variable is not there, or is empty.
        """
        return read_secret("token of the http input", self.token_file, self.token_env)


class FileTail(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="file_tail", tag_field="type"):
    """Follows a growing file through rotation.

    Attributes:
        path: The file; it may appear later.
        source: Source of its records.
        dataset: Dataset, when known.
        framing: `lines`, `ndjson` or `zeek_tsv`; by content when unset.
        poll_s: How often to look.
        max_line_bytes: Longer lines are dead letters.
    """

    path: Path
    source: str
    dataset: str = ""
    framing: str | None = None
    poll_s: float = 0.5
    max_line_bytes: int = DEFAULT_LINE_BYTES


class Folder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="folder", tag_field="type"):
    """Watches a folder for new files, such as the reports that access-control systems drop.

    Attributes:
        path: The folder.
        source: Source of the records.
        dataset: Dataset, when known.
        pattern: Which files, as a glob.
        framing: `csv`, `ndjson`, `json`, `lines`, `xml`, `zeek_tsv`; by content when unset.
        delimiter: Of CSV; found by content when unset.
        encoding: Of CSV, such as `utf-8` or `cp1252`.
        header: Column names of CSV files that have no header row.
        settle_s: A file is read once its size and time stood still for so long.
        poll_s: How often to look.
        max_line_bytes: Longer lines are dead letters.
    """

    path: Path
    source: str
    dataset: str = ""
    pattern: str = "*"
    framing: str | None = None
    delimiter: str | None = None
    encoding: str = "utf-8-sig"
    header: list[str] | None = None
    settle_s: float = 1.0
    poll_s: float = 1.0
    max_line_bytes: int = DEFAULT_LINE_BYTES


InputSettings = SyslogUdp | SyslogTcp | HttpPush | FileTail | Folder | KafkaTopics
"""What `inputs` of the settings file may hold."""
