"""Whoever may connect connects; whoever may not is told what is wrong, at each address."""

from __future__ import annotations

import base64
import gc
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from connectors.errors import SourceUnavailableError
from connectors.kafka.client import client_arguments, start_client
from connectors.kafka.settings import KafkaConnection
from detector.__main__ import main
from detector.duration import decode_duration
from tests.integration.servers.kafka.authority import Authority
from tests.integration.servers.kafka.guarded import GuardedBroker

# aiokafka drops a TLS connection that failed without waiting for its end.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collect() -> Iterator[None]:
    """Let what was dropped be noticed here, and not in whatever test comes next."""
    yield
    gc.collect()


class Site:
    """The guarded broker with everything a connection may need, right and wrong."""

    def __init__(self, folder: Path, broker: GuardedBroker, authority: Authority, password_file: Path) -> None:
        self._ports = {**broker.ports, "SECURE": int(broker.secure_bootstrap.rpartition(":")[2])}
        self._ports["PLAIN"] = int(broker.bootstrap.rpartition(":")[2])
        other = Authority(folder, "other")
        files = {"right": password_file, "wrong": folder / "wrong", "token": folder / "token"}
        files["wrong"].write_text("wrong")
        files["token"].write_text(_unsigned_token("isthmus-worker"))
        self._sasl = {name: {"user": "isthmus-worker", "password_file": str(path)} for name, path in files.items()}
        self._token = {
            "token": {"mechanism": "OAUTHBEARER", "token_file": str(files["token"])},
            "bad-token": {"mechanism": "OAUTHBEARER", "token_file": str(files["wrong"])},
        }
        self._tls = {
            "trusted": {"ca": str(authority.certificate)},
            "untrusted": {"ca": str(other.certificate)},
            "client": _with_client(authority, authority.sign("worker")),
            "old-client": _with_client(authority, authority.sign("worker", days=-1)),
            "other-client": _with_client(authority, other.sign("worker")),
        }

    def connection(self, port: str | int, words: str) -> KafkaConnection:
        """Return a connection to a listener (or port), put together by the words."""
        said = words.split()
        number = self._ports[port] if isinstance(port, str) else port
        content: dict[str, Any] = {"brokers": [f"127.0.0.1:{number}"], "plaintext": "plaintext" in said}
        for word in said:
            if word in self._tls:
                content["tls"] = self._tls[word]
            elif word in ("right", "wrong"):
                content["sasl"] = {**content.get("sasl", {}), **self._sasl[word]}
            elif word in self._token:
                content["sasl"] = self._token[word]
            elif word != "plaintext":
                content["sasl"] = {**content.get("sasl", {}), "mechanism": word}
        return msgspec.convert(content, KafkaConnection, dec_hook=decode_duration)


def _with_client(authority: Authority, pair: tuple[Path, Path]) -> dict[str, str]:
    return {"ca": str(authority.certificate), "certificate": str(pair[0]), "key": str(pair[1])}


def _unsigned_token(subject: str) -> str:
    """Return a token as Kafka's unsecured validator takes it (RFC 7515 appendix A.5)."""
    now_s = int(time.time())
    parts = [{"alg": "none"}, {"sub": subject, "iat": now_s - 60, "exp": now_s + 3_600}]
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return f"{'.'.join(encoded)}."


@pytest.fixture(scope="module")
def site(tmp_path_factory: Any, guarded_kafka: GuardedBroker, authority: Authority, password_file: Path) -> Site:  # noqa: ANN401
    return Site(tmp_path_factory.mktemp("site"), guarded_kafka, authority, password_file)


@pytest.fixture
async def web_server() -> AsyncIterator[int]:
    """Something that listens and is not Kafka."""
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def _start(connection: KafkaConnection) -> None:
    producer = AIOKafkaProducer(**client_arguments(connection, "test"))
    try:
        await start_client(producer, connection)
    finally:
        await producer.stop()


@pytest.mark.parametrize(
    ("port", "words"),
    [
        ("PLAIN", "plaintext"),
        ("SECURE", "trusted SCRAM-SHA-512 right"),
        ("SECURE", "trusted PLAIN right"),
        ("MTLS", "client"),
        ("OAUTH", "trusted token"),
    ],
)
async def test_a_right_connection_starts(site: Site, port: str, words: str) -> None:
    """SCRAM, PLAIN and tokens over TLS, client certificates, and plain text where it is asked for."""
    await _start(site.connection(port, words))


@pytest.mark.parametrize(
    ("port", "words", "said"),
    [
        ("SECURE", "trusted SCRAM-SHA-512 wrong", "refuses user 'isthmus-worker' or the password"),
        ("SECURE", "trusted PLAIN wrong", "refuses user 'isthmus-worker' or the password"),
        ("OAUTH", "trusted bad-token", "refuses the token"),
        ("SECURE", "trusted SCRAM-SHA-256 right", "does not take SCRAM-SHA-256"),
        ("SECURE", "untrusted right", "signed by an authority that tls.ca does not hold"),
        ("SECURE", "right", "signed by an authority that tls.ca does not hold"),
        ("EXPIRED", "trusted", "its certificate has expired"),
        ("MTLS", "trusted", "wants a certificate of ours"),
        ("MTLS", "old-client", "refuses our certificate"),
        ("MTLS", "other-client", "refuses our certificate"),
        ("SECURE", "trusted", "wants a log-in; set sasl"),
        ("MTLS", "client right", "takes no log-in on this port"),
        ("SECURE", "plaintext", "speaks TLS on this port"),
        ("PLAIN", "trusted", "does not speak TLS on this port"),
        (9, "plaintext", "nothing listens there"),
    ],
)
async def test_a_wrong_connection_is_explained(site: Site, port: str | int, words: str, said: str) -> None:
    """Never "Unable to bootstrap", never the password."""
    with pytest.raises(SourceUnavailableError) as refused:
        await _start(site.connection(port, words))
    assert said in str(refused.value)
    assert "127.0.0.1:" in str(refused.value)
    assert "only-for-tests" not in str(refused.value)


@pytest.mark.parametrize(("words", "said"), [("plaintext", "is no Kafka listener"), ("trusted", "does not speak TLS")])
async def test_what_is_not_kafka_is_told(
    site: Site, web_server: int, words: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A web server's port, by a mistake in a number; a server that waits for more is given up on."""
    monkeypatch.setattr("connectors.kafka.probing.PROBE_S", 1.0)
    with pytest.raises(SourceUnavailableError, match=said):
        await _start(site.connection(web_server, words))


async def test_one_broker_that_answers_is_enough(site: Site) -> None:
    """Addresses are only to find the cluster by."""
    connection = site.connection("PLAIN", "plaintext")
    await _start(msgspec.structs.replace(connection, brokers=["127.0.0.1:9", *connection.brokers]))


@pytest.mark.parametrize(
    "command", ["worker", "connect", "topics check", "topics apply", "context publish", "deadletter list"]
)
@pytest.mark.parametrize(
    ("port", "words", "said"),
    [
        ("SECURE", "trusted SCRAM-SHA-512 wrong", "refuses user 'isthmus-worker' or the password"),
        ("EXPIRED", "trusted", "its certificate has expired"),
    ],
    ids=["wrong-password", "expired-certificate"],
)
def test_every_command_says_so(  # noqa: PLR0917  what is said where
    site: Site, tmp_path: Path, command: str, port: str, words: str, said: str
) -> None:
    """And ends as one does whose outside is not there."""
    connection = msgspec.to_builtins(site.connection(port, words), enc_hook=str)
    (tmp_path / "context").mkdir()
    path = tmp_path / "isthmus.yml"
    settings = {"data_dir": str(tmp_path), "context": {"folder": "context"}, "kafka": {"connection": connection}}
    path.write_bytes(msgspec.yaml.encode(settings))
    told = CliRunner().invoke(main, [*command.split(), "-c", str(path)])
    assert (told.exit_code, said in told.output) == (3, True), told.output
    assert "Traceback" not in told.output
