"""The broker that asks everyone who they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.servers.kafka.authority import Authority
from tests.integration.servers.kafka.guarded import GuardedBroker
from tests.integration.servers.kafka.jars import kafka_jars

SHOW = Callable[[str], None]
PASSWORD = "only-for-tests"
ACCOUNTS = ("isthmus-operator", "isthmus-worker", "isthmus-connector", "isthmus-subscriber")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs the guarded broker's certificates."""
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="session")
def guarded_kafka(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedBroker]:
    """A broker with TLS, log-in and rights."""
    users = dict.fromkeys(ACCOUNTS, PASSWORD)
    broker = GuardedBroker(kafka_jars(), tmp_path_factory.mktemp("guarded-kafka"), authority, users)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def password_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The password of every account."""
    path = tmp_path_factory.mktemp("secrets") / "password"
    path.write_text(f"{PASSWORD}\n")
    return path


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> SHOW:
    """Print a figure although the test passes."""

    def shown(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}")  # noqa: T201  figures of the proof

    return shown
