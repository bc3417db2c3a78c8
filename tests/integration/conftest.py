"""The servers of a test run: each starts once, on first use; tests that stop or kill one have their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.servers.kafka.broker import KafkaBroker, Security
from tests.integration.servers.kafka.certificate import self_signed
from tests.integration.servers.kafka.jars import kafka_jars

USER, PASSWORD = "isthmus", "only-for-tests"


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker for all tests of the run; give topics names of your own."""
    broker = KafkaBroker(kafka_jars(), tmp_path_factory.mktemp("kafka")).start()
    yield broker
    broker.stop()


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker that the test may stop, kill and start again."""
    broker = KafkaBroker(kafka_jars(), tmp_path / "kafka").start()
    yield broker
    broker.kill()


@pytest.fixture(scope="session")
def secure_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KafkaBroker, Path]]:
    """A broker whose second listener wants TLS and a password, and the certificate to trust."""
    folder = tmp_path_factory.mktemp("secure-kafka")
    tls, certificate = self_signed(folder / "tls")
    security = Security(tls, scram={USER: PASSWORD}, plain={USER: PASSWORD})
    broker = KafkaBroker(kafka_jars(), folder / "broker", security=security).start()
    yield broker, certificate
    broker.stop()
