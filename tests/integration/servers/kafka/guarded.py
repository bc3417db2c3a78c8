"""A broker that lets nobody do what it was not told to allow, with a listener for each way to prove who one is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.integration.servers.kafka.authority import Authority
from tests.integration.servers.kafka.broker import KafkaBroker, Security
from tests.integration.servers.ports import free_ports

_OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"
_EXTRA = {"MTLS": "SSL", "EXPIRED": "SSL", "OAUTH": "SASL_SSL"}


class GuardedBroker(KafkaBroker):
    """Everyone who comes by the plaintext listener may do anything; on the others only what ACLs allow.

    Args:
        jars: Kafka's.
        work: Its folder.
        authority: Signs its certificates, and those of clients.
        users: Accounts and passwords for SCRAM-SHA-512 and PLAIN.

    Attributes:
        ports: Of the further listeners: MTLS wants a client's certificate, EXPIRED shows one that has expired, OAUTH
            takes unsigned tokens.
    """

    def __init__(self, jars: Path, work: Path, authority: Authority, users: Mapping[str, str]) -> None:
        self.ports = dict(zip(_EXTRA, free_ports(len(_EXTRA)), strict=True))
        self._expired = authority.keystore("broker", days=-1)
        accounts = dict(users)
        security = Security(authority.keystore("broker"), scram=accounts, plain=accounts)
        rights = {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            # Kafka's default, and what makes a topic of a mistyped name.
            "auto.create.topics.enable": "true",
        }
        super().__init__(jars, work, security=security, settings=rights)

    def _listeners(self) -> dict[str, str]:
        lines = super()._listeners()
        for name, protocol in _EXTRA.items():
            lines["listener.security.protocol.map"] += f",{name}:{protocol}"
            for key in ("listeners", "advertised.listeners"):
                lines[key] += f",{name}://127.0.0.1:{self.ports[name]}"
        expired = {f"listener.name.expired.{key}": value for key, value in self._expired.items()}
        return {
            **lines,
            **expired,
            "listener.name.mtls.ssl.client.auth": "required",
            "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.oauth.oauthbearer.sasl.jaas.config": _OAUTH,
        }
