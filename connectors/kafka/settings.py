"""Settings of a connection to Kafka: where the brokers are, and how both sides prove who they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(?P<port>\d{1,5})")
_IN_THE_CLEAR = ("PLAIN", "OAUTHBEARER")
"""Mechanisms that hand the secret itself to whoever answers."""


class KafkaTls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """TLS towards the brokers.

    Attributes:
        ca: PEM certificates to trust; unset: the system's.
        certificate: PEM chain that proves who we are (mTLS), with `key`.
        key: PEM key of that certificate, without password.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        """Refuse half of a pair."""
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together; set both or neither")


class KafkaSasl(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How we log in. Secrets stay in files or environment variables.

    Attributes:
        mechanism: `SCRAM-SHA-512`, `SCRAM-SHA-256`, `PLAIN` or `OAUTHBEARER`.
        user: Name of the account; not for OAUTHBEARER.
        password_file: File with the password.
        password_env: Environment variable with the password.
        token_file: OAUTHBEARER: file with the token, read again at each log-in, so that whoever renews it need not
            restart us.
    """

    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"] = "SCRAM-SHA-512"
    user: str = ""
    password_file: Path | None = None
    password_env: str | None = None
    token_file: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot log in."""
        if self.mechanism == "OAUTHBEARER":
            if self.token_file is None or self.user or self.password_file or self.password_env:
                raise ValueError("OAUTHBEARER takes token_file, and neither user nor password")
        elif not self.user or (self.password_file is None) == (self.password_env is None) or self.token_file:
            raise ValueError(f"{self.mechanism} takes user, and one of password_file and password_env")


class KafkaConnection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A connection to a Kafka cluster, over TLS unless `plaintext: true` is said outright.

    Attributes:
        brokers: Addresses as host:port to find the cluster by; two or three suffice.
        tls: Whom to trust, and our own certificate.
        sasl: How to log in; unset: by certificate, or not at all.
        plaintext: True: no TLS. What is sent can be read and changed on the way.
    """

    brokers: list[str]
    tls: KafkaTls = KafkaTls()
    sasl: KafkaSasl | None = None
    plaintext: bool = False

    def __post_init__(self) -> None:
        """Refuse addresses that are none, and TLS together with `plaintext`."""
        if not self.brokers:
            raise ValueError("brokers is empty; name at least one as host:port")
        for number, broker in enumerate(self.brokers, 1):
            found = _ADDRESS.fullmatch(broker)
            if found is None or not 0 < int(found["port"]) < 65_536:
                # Not quoted: some write user and password into an address.
                raise ValueError(f"brokers: number {number} is not host:port; protocol and account have own settings")
        if self.plaintext and self.tls != KafkaTls():
            raise ValueError("plaintext: true and tls contradict each other; remove one")
        if self.plaintext and self.sasl is not None and self.sasl.mechanism in _IN_THE_CLEAR:
            raise ValueError(f"{self.sasl.mechanism} without TLS would send the secret in the clear; remove plaintext")

    def addresses(self) -> list[tuple[str, int]]:
        """Return host and port of each broker."""
        parts = (broker.rpartition(":") for broker in self.brokers)
        return [(host.strip("[]"), int(port)) for host, _, port in parts]

    def anchored(self, folder: Path) -> KafkaConnection:
        """Return the connection with paths relative to a folder made whole."""
        sasl = self.sasl
        return msgspec.structs.replace(
            self,
            tls=_anchored(self.tls, folder, "ca", "certificate", "key"),
            sasl=None if sasl is None else _anchored(sasl, folder, "password_file", "token_file"),
        )


class KafkaTopic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One topic that somebody else fills.

    Attributes:
        name: The topic.
        source: Source of records that name none in the header `isthmus-source`.
        dataset: Dataset of records that name none in the header `isthmus-dataset`; by content when unset.
        unwrap: Take only this field of a record that is a JSON object, such as `message` (Beats, Logstash, Vector),
            `log` (Fluent Bit) or `conn` (Zeek with `tag_json`); dots lead inwards.
        create_time: The topic keeps times that its producers give (CreateTime). `refuse`: it is not read. `untrusted`:
            those count as time of receipt, and the clock of the source as unknown.
        era: Raise it after the topic was deleted and made anew, so that its offsets count from the beginning.
    """

    name: str
    source: str
    dataset: str = ""
    unwrap: str | None = None
    create_time: Literal["refuse", "untrusted"] = "refuse"
    era: int = 0


class KafkaTopics(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="kafka", tag_field="type"):
    """Topics of Beats, Vector, Logstash, Fluent Bit, Zeek or others, read as their producers fill them.

    Each record is taken once: how far a partition was read is kept with the records, so no consumer group is needed.

    Attributes:
        connection: The cluster.
        topics: What to read of it.
        received_header: Header with the time when a collector that we trust took the record: RFC 3339, or a number of
            seconds, milliseconds, microseconds or nanoseconds since 1970. Without it, the time of the append counts.
        start: Where to begin in a partition never read: `earliest` or `latest`.
        max_record_bytes: Larger records are dead letters.
    """

    connection: KafkaConnection
    topics: list[KafkaTopic]
    received_header: str | None = None
    start: Literal["earliest", "latest"] = "earliest"
    max_record_bytes: int = 10 << 20

    def __post_init__(self) -> None:
        """Refuse to read nothing, or a topic twice."""
        names = [topic.name for topic in self.topics]
        if not names or len(set(names)) < len(names):
            raise ValueError("topics: name at least one, and each once")


def _anchored(struct: _Struct, folder: Path, *names: str) -> _Struct:
    paths = {name: folder / path for name in names if (path := getattr(struct, name)) is not None}
    return msgspec.structs.replace(struct, **paths)
