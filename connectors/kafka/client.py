"""From a connection's settings to clients that run."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Any, Protocol

import aiokafka.client
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from connectors.errors import ConnectorSettingsError, SourceUnavailableError
from connectors.kafka.probing import explain_bootstrap_error
from connectors.kafka.quiet import quieten
from connectors.kafka.refusals import explain_error
from connectors.kafka.settings import KafkaConnection, KafkaSasl
from connectors.secret import read_secret

# At DEBUG aiokafka logs each request whole, passwords and tokens included.
logging.getLogger("aiokafka.conn").setLevel(logging.WARNING)


class MakingNothing(MetadataRequest):  # type: ignore[misc]  # aiokafka is untyped
    """Asks about topics: a broker that makes topics by itself would make one that was deleted, empty (KIP-361)."""

    def __init__(self, topics: list[str] | None = None) -> None:
        super().__init__(topics, allow_auto_topic_creation=False)


aiokafka.client.MetadataRequest = MakingNothing


class Startable(Protocol):
    """What all clients of aiokafka have."""

    async def start(self) -> None:
        """Find the cluster."""
        ...


class FileToken(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka is untyped
    """Hands out the token that its file holds now."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def token(self) -> str:
        """Read the token, in a thread: the file may be on a slow mount."""
        return await asyncio.to_thread(lambda: str(read_secret("sasl token", self._file, None)))


def client_arguments(connection: KafkaConnection, client_id: str) -> dict[str, Any]:
    """Return the keyword arguments that consumers, producers and admin clients of aiokafka share.

    They hold the password: hand them on, never log them.

    Args:
        connection: Whom to connect to.
        client_id: Name in the broker's logs and quotas.

    Raises:
        ConnectorSettingsError: A certificate or secret cannot be read.
    """
    protocol = "PLAINTEXT" if connection.plaintext else "SSL"
    arguments: dict[str, Any] = {
        "bootstrap_servers": connection.brokers,
        "client_id": client_id,
        "security_protocol": protocol if connection.sasl is None else f"SASL_{protocol}",
        "ssl_context": tls_context(connection),
    }
    if connection.sasl is not None:
        arguments |= _login(connection.sasl)
    return arguments


def tls_context(connection: KafkaConnection) -> ssl.SSLContext | None:
    """Make the TLS context of a connection: names and certificates are verified, TLS 1.2 or newer.

    Returns:
        None for a connection in plain text.

    Raises:
        ConnectorSettingsError: A file cannot be read, or key and certificate do not belong together.
    """
    if connection.plaintext:
        return None
    tls = connection.tls
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=tls.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls.certificate is not None:
            # Without a password callback OpenSSL would ask the terminal, and wait.
            context.load_cert_chain(tls.certificate, tls.key, password=lambda: "")
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(each) for each in (tls.ca, tls.certificate, tls.key) if each is not None)
        raise ConnectorSettingsError(f"kafka tls: {files}: {error}") from error
    return context


async def start_client(client: Startable, connection: KafkaConnection) -> None:
    """Start a client of aiokafka, or say what keeps it from starting; from then on its log is kept readable.

    Raises:
        SourceUnavailableError: No broker can be used; the message says why for each.
    """
    quieten()
    problem = await explain_bootstrap_error(connection, client_arguments(connection, "isthmus-probe"))
    if problem:
        raise SourceUnavailableError(problem)
    try:
        await client.start()
    except KafkaError as error:
        raise SourceUnavailableError(f"kafka: {explain_error(error)}") from error


def _login(sasl: KafkaSasl) -> dict[str, Any]:
    if sasl.token_file is not None:
        read_secret("sasl token", sasl.token_file, None)  # absent now: refuse to start
        return {"sasl_mechanism": sasl.mechanism, "sasl_oauth_token_provider": FileToken(sasl.token_file)}
    return {
        "sasl_mechanism": sasl.mechanism,
        "sasl_plain_username": sasl.user,
        "sasl_plain_password": read_secret("sasl password", sasl.password_file, sasl.password_env),
    }
