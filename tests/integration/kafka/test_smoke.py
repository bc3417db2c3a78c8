"""The broker is a real one: it keeps what it acknowledged, wants passwords, and makes transactions."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from tests.integration.conftest import PASSWORD, USER
from tests.integration.servers.kafka.broker import KafkaBroker
from tests.integration.servers.kafka.topics import create_topics


async def test_aborted_records_are_not_read(kafka: KafkaBroker) -> None:
    await create_topics(kafka.bootstrap, {"smoke": 1})
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id="smoke") as producer:
        for value in (b"aborted", b"committed"):
            await producer.begin_transaction()
            await producer.send_and_wait("smoke", value)
            await (producer.abort_transaction() if value == b"aborted" else producer.commit_transaction())
    reader = AIOKafkaConsumer(
        "smoke",
        bootstrap_servers=kafka.bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    async with reader:
        assert (await reader.getone()).value == b"committed"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
async def test_wants_the_password(secure_kafka: tuple[KafkaBroker, Path], mechanism: str) -> None:
    broker, certificate = secure_kafka
    for password in (PASSWORD, "wrong"):
        producer = AIOKafkaProducer(
            bootstrap_servers=broker.secure_bootstrap,
            security_protocol="SASL_SSL",
            sasl_mechanism=mechanism,
            sasl_plain_username=USER,
            sasl_plain_password=password,
            ssl_context=ssl.create_default_context(cafile=str(certificate)),
        )
        if password == "wrong":
            with pytest.raises(KafkaConnectionError):
                await producer.start()
        else:
            await producer.start()
        await producer.stop()
