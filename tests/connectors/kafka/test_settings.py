"""A connection in plain text has to be asked for, and no secret leaves its file."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import ConnectorSettingsError
from connectors.kafka.client import client_arguments
from connectors.kafka.settings import KafkaConnection, KafkaSasl
from detector.errors import SettingsError
from detector.kafkasettings import KafkaSettings
from detector.settings import build_settings

BROKERS = ["kafka-1.plant:9093"]
LOGIN = {"user": "isthmus", "password_file": "kafka.password"}


def _kafka(**connection: Any) -> KafkaSettings:  # noqa: ANN401  as in YAML
    content = {"kafka": {"connection": {"brokers": BROKERS, **connection}}}
    kafka = build_settings(content, Path("/etc/isthmus/isthmus.yml")).kafka
    assert kafka is not None
    return kafka


def test_tls_is_what_one_gets_without_asking() -> None:
    """Nothing said about security means TLS with the system's authorities."""
    kafka = _kafka()
    arguments = client_arguments(kafka.connection, "test")
    assert (arguments["security_protocol"], arguments["ssl_context"].verify_mode.name) == ("SSL", "CERT_REQUIRED")
    assert arguments["ssl_context"].check_hostname
    assert (kafka.prefix, kafka.replication, kafka.partitions.raw) == ("isthmus", 3, 12)


def test_paths_start_at_the_settings_file() -> None:
    """Certificates and passwords are found wherever the command is called."""
    connection = _kafka(tls={"ca": "ca.pem"}, sasl=LOGIN).connection
    assert connection.tls.ca == Path("/etc/isthmus/ca.pem")
    assert connection.sasl == KafkaSasl(user="isthmus", password_file=Path("/etc/isthmus/kafka.password"))


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        ({"brokers": []}, "brokers is empty"),
        ({"brokers": ["kafka://user:s3cr3t@host:9092"]}, "number 1 is not host:port"),
        ({"brokers": ["host:70000"]}, "number 1 is not host:port"),
        ({"plaintext": True, "tls": {"ca": "ca.pem"}}, "contradict"),
        ({"plaintext": True, "sasl": {**LOGIN, "mechanism": "PLAIN"}}, "in the clear"),
        ({"tls": {"certificate": "c.pem"}}, "belong together"),
        ({"sasl": {"user": "isthmus"}}, "one of password_file and password_env"),
        ({"sasl": {**LOGIN, "password_env": "X"}}, "one of password_file and password_env"),
        ({"sasl": {**LOGIN, "mechanism": "OAUTHBEARER"}}, "takes token_file"),
        ({"sasl": {**LOGIN, "password": "s3cr3t"}}, "unknown field `password`"),
        ({"sasl": {**LOGIN, "mechanism": "GSSAPI"}}, "GSSAPI"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_telling_secrets(connection: dict[str, Any], said: str) -> None:
    """The message names the setting, and repeats nothing that may be a password."""
    with pytest.raises(SettingsError, match=r"kafka\.connection") as refused:
        _kafka(**connection)
    assert said in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    "setting", [{"prefix": "Isthmus_1"}, {"partitions": {"raw": 0}}, {"partitions": {"candidates": 2000}}]
)
def test_topics_that_cannot_be_are_refused(setting: dict[str, Any]) -> None:
    """Names and counts that Kafka would refuse, or that no plant needs."""
    content = {"kafka": {"connection": {"brokers": BROKERS}, **setting}}
    with pytest.raises(SettingsError, match=next(iter(setting))):
        build_settings(content, Path("isthmus.yml"))


def test_a_password_is_read_when_used_and_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in the client's arguments and in no repr of the settings."""
    file = tmp_path / "password"
    file.write_text("of-the-file\n")
    monkeypatch.setenv("KAFKA_PASSWORD", "of-the-environment")
    for given, expected in (
        ({"password_file": file}, "of-the-file"),
        ({"password_env": "KAFKA_PASSWORD"}, "of-the-environment"),
    ):
        connection = KafkaConnection(BROKERS, sasl=KafkaSasl(user="isthmus", **given))
        assert client_arguments(connection, "test")["sasl_plain_password"] == expected
        assert expected not in repr(connection)


def test_a_secret_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """An empty password would be sent as one."""
    file = tmp_path / "password"
    for content in (None, b"\n", b"\xff\xfe", b"x" * 100_000):
        if content is not None:
            file.write_bytes(content)
        connection = KafkaConnection(BROKERS, sasl=KafkaSasl(user="isthmus", password_file=file))
        with pytest.raises(ConnectorSettingsError, match="sasl password"):
            client_arguments(connection, "test")


def test_requests_are_not_logged_whole() -> None:
    """The client would log the password with them."""
    assert not logging.getLogger("aiokafka.conn").isEnabledFor(logging.DEBUG)
