"""Why no broker can be used: the client only says "Unable to bootstrap", so each address is asked step by step."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from connectors.errors import ConnectorSettingsError
from connectors.kafka.settings import KafkaConnection

PROBE_S = 5.0
"""Longest wait for one step; a broker that needs more is as good as down."""

_ALERT_S = 0.5
"""In TLS 1.3 a server refuses our certificate only after the handshake; the alert comes within a round trip."""

_NOT_KAFKA = "is no Kafka listener: what it answers is not Kafka's protocol"
_CERTIFICATE_FAULTS = {
    9: "its certificate is not valid yet; compare the clocks",
    10: "its certificate has expired; renew it on the broker",
    18: "its certificate is signed by itself and not trusted; name it in tls.ca",
    19: "its certificate is signed by an authority that tls.ca does not hold",
    20: "its certificate is signed by an authority that tls.ca does not hold",
    21: "its certificate is signed by an authority that tls.ca does not hold",
    62: "its certificate is made out for another name; use the name that it holds",
    64: "its certificate does not hold this address; use a name that it holds",
}
"""By OpenSSL's verify code (x509_vfy.h)."""


async def explain_bootstrap_error(connection: KafkaConnection, arguments: Mapping[str, Any]) -> str:
    """Say why no broker of a connection can be used.

    Args:
        connection: Settings.
        arguments: What `client_arguments` made of them.

    Returns:
        A sentence with the reason at each address; empty when one of them answers.
    """
    arguments = {name: value for name, value in arguments.items() if name != "bootstrap_servers"}
    addresses = connection.addresses()
    problems = await asyncio.gather(*(_problem(connection, arguments, *each) for each in addresses))
    if None in problems:
        return ""
    return "no Kafka broker can be used: " + "; ".join(
        f"{address}: {problem}" for address, problem in zip(connection.brokers, problems, strict=True)
    )


async def _problem(connection: KafkaConnection, arguments: Mapping[str, Any], host: str, port: int) -> str | None:
    context = arguments.get("ssl_context")
    try:
        await _reach(host, port)
    except OSError as error:
        return _network_fault(connection, error)
    try:
        kafka = await create_conn(host, port, request_timeout_ms=int(PROBE_S * 1_000), **arguments)
    except (AuthenticationFailedError, SaslAuthenticationFailed, UnsupportedSaslMechanismError) as error:
        return _login_fault(connection, error)
    except IllegalSaslStateError:
        return "takes no log-in on this port; remove sasl, or use the port of the SASL listener"
    except ConnectorSettingsError as error:
        return str(error)
    except ssl.SSLError as error:
        return _network_fault(connection, error)
    except Exception:  # noqa: BLE001  whatever answered without being Kafka
        return await _look_closer(connection, context, host, port)
    return await _ask(connection, context, kafka)


async def _reach(host: str, port: int) -> None:
    _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), PROBE_S)
    await _drop(writer)


async def _ask(connection: KafkaConnection, context: ssl.SSLContext | None, kafka: AIOKafkaConnection) -> str | None:
    """Ask what only who is logged in may ask: a broker tells by closing the connection."""
    try:
        known = await kafka.send(MetadataRequest([]))
    except (KafkaError, TimeoutError):
        if connection.sasl is None:
            return "closes the connection at the first question: it wants a log-in; set sasl"
        return await _look_closer(connection, context, kafka.host, kafka.port)
    finally:
        kafka.close()
    # aiokafka takes a refused token for a log-in, and the broker then says that it knows no broker, not even itself.
    return None if known.brokers else _login_fault(connection, None)


def _login_fault(connection: KafkaConnection, error: KafkaError | None) -> str:
    sasl = connection.sasl
    if sasl is None:
        return f"does not let us in: {error or 'it knows no broker'}"
    if isinstance(error, UnsupportedSaslMechanismError):
        _, _, enabled = str(error).partition("Enabled mechanisms are: ")
        return f"does not take {sasl.mechanism}" + (f"; it takes {enabled}" if enabled else "")
    if sasl.mechanism == "OAUTHBEARER":
        return "refuses the token; is it expired, or for another audience?"
    return f"refuses user {sasl.user!r} or the password given ({sasl.mechanism})"


def _network_fault(connection: KafkaConnection, error: OSError) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return _CERTIFICATE_FAULTS.get(error.verify_code, f"its certificate is refused: {error.verify_message}")
        case ssl.SSLError():
            return _tls_fault(connection, error)
        case socket.gaierror():
            return "its name cannot be resolved"
        case ConnectionRefusedError():
            return "nothing listens there (connection refused)"
        case TimeoutError():
            return f"does not answer within {PROBE_S:g} s"
    return error.strerror or str(error)


def _tls_fault(connection: KafkaConnection, error: ssl.SSLError) -> str:
    reason = str(error.reason or "")
    if "CERTIFICATE" in reason and connection.tls.certificate is None:
        return "wants a certificate of ours; set tls.certificate and tls.key"
    if "CERTIFICATE" in reason:
        said = reason.lower().replace("_", " ").rpartition("alert ")[2]
        return f"refuses our certificate ({said}); is it expired, or of an authority that the broker does not trust?"
    if "WRONG_VERSION_NUMBER" in reason or "RECORD_LAYER" in reason:
        return "does not speak TLS on this port; use the TLS listener's"
    return f"TLS cannot be agreed on: {reason or error}"


async def _look_closer(connection: KafkaConnection, context: ssl.SSLContext | None, host: str, port: int) -> str:
    """Tell a port that is not Kafka from one where only the TLS differs."""
    try:
        await _wait_for_alert(host, port, context or _any_certificate())
    except ConnectionError:
        return _NOT_KAFKA if connection.plaintext else "does not speak TLS on this port; use the TLS listener's"
    except OSError as error:
        return _NOT_KAFKA if connection.plaintext else _network_fault(connection, error)
    if connection.plaintext:
        return "speaks TLS on this port; remove plaintext, and name whom to trust in tls.ca"
    return _NOT_KAFKA


async def _wait_for_alert(host: str, port: int, context: ssl.SSLContext) -> None:
    reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port, ssl=context), PROBE_S)
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(reader.read(1), _ALERT_S)
    finally:
        await _drop(writer)


async def _drop(writer: asyncio.StreamWriter) -> None:
    """Close at once: who does not speak TLS would let us wait for its good-bye."""
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


def _any_certificate() -> ssl.SSLContext:
    """Return a context to find out with whether TLS is spoken at all; nothing is sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
