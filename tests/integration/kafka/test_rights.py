"""What `isthmus topics acls` prints is enough for each account, and no more."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest
from click.testing import CliRunner

from connectors.kafka.client import client_arguments
from connectors.kafka.settings import KafkaConnection, KafkaSasl, KafkaTls
from detector.__main__ import main
from detector.runtime.topics.names import TopicNames
from tests.detector.runtime.engine_process import RULES
from tests.integration.kafka.producing import gallagher
from tests.integration.kafka.workers import WorkerProcess
from tests.integration.servers.kafka.authority import Authority
from tests.integration.servers.kafka.guarded import GuardedBroker
from tests.integration.servers.ports import free_ports

NAMES = TopicNames("isthmus")
_KINDS = {"--topic": 2, "--group": 3, "--transactional-id": 5}
_OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10, "AlterConfigs": 11}
"""Kafka's numbers (ResourceType, AclOperation)."""

Login = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def login(guarded_kafka: GuardedBroker, authority: Authority, password_file: Path, tmp_path_factory: Any) -> Login:  # noqa: ANN401
    """Give the rights, make the topics as operator, and return what a client of an account is made with."""

    def arguments(account: str) -> dict[str, Any]:
        sasl = KafkaSasl(user=account, password_file=password_file)
        brokers = [guarded_kafka.secure_bootstrap]
        return client_arguments(KafkaConnection(brokers, KafkaTls(ca=authority.certificate), sasl), "test")

    path = tmp_path_factory.mktemp("rights") / "isthmus.yml"
    path.write_text(_settings(arguments("isthmus-operator"), authority, password_file))
    asyncio.run(_give(guarded_kafka.bootstrap, _printed(path)))
    check = CliRunner().invoke(main, ["topics", "check", "-c", str(path)])
    assert (check.exit_code, "0 of 14 topics" in check.stderr) == (1, True), check.output
    assert asyncio.run(_own_topics(guarded_kafka.bootstrap)) == [], "asking for topics has made some"
    applied = CliRunner().invoke(main, ["topics", "apply", "-c", str(path)])
    assert applied.exit_code == 0, applied.output
    return arguments


def _printed(settings: Path) -> list[str]:
    """Return the commands that `isthmus topics acls` prints."""
    printed = CliRunner().invoke(main, ["topics", "acls", "-c", str(settings)])
    return [line for line in printed.stdout.splitlines() if not line.startswith("#")]


def _settings(client: dict[str, Any], authority: Authority, password_file: Path, prefix: str = "isthmus") -> str:
    return (
        f"kafka:\n  prefix: {prefix}\n  replication: 1\n  partitions: {{raw: 2, candidates: 2}}\n  connection:\n"
        f"    brokers: {client['bootstrap_servers']}\n    tls: {{ca: {authority.certificate}}}\n"
        f"    sasl: {{user: {client['sasl_plain_username']}, password_file: {password_file}}}\n"
    )


async def _give(bootstrap: str, commands: list[str]) -> None:
    """Do what kafka-acls.sh would, as administrator."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    requests = list[CreateAclsRequest]()
    for command in commands:
        words = shlex.split(command)
        assert words[:6] == ["kafka-acls.sh", "--bootstrap-server", "$BROKERS", "--command-config", "$ADMIN", "--add"]
        pairs = list(zip(words[6::2], words[7::2], strict=True))
        principal = next(value for option, value in pairs if option == "--allow-principal")
        pattern = 4 if ("--resource-pattern-type", "prefixed") in pairs else 3
        for kind, name in ((_KINDS[option], value) for option, value in pairs if option in _KINDS):
            for operation in (_OPERATIONS[value] for option, value in pairs if option == "--operation"):
                requests.append(CreateAclsRequest(kind, name, pattern, principal, "*", operation, 3))
    replies = await asyncio.gather(*(client._send_to_controller(request) for request in requests))
    assert {code for reply in replies for code, _ in reply.creation_responses} == {0}
    await client.close()


async def _own_topics(bootstrap: str) -> list[str]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    names = [name for name in await client.list_topics() if name.startswith("isthmus.")]
    await client.close()
    return names


@asynccontextmanager
async def _producing(login: Login, account: str, identity: str | None = None) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**login(account), transactional_id=identity)
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


async def _read_one(login: Login, account: str, topic: str, group: str | None) -> bytes:
    consumer = AIOKafkaConsumer(
        topic, **login(account), group_id=group, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    try:
        await consumer.start()
        record = await asyncio.wait_for(consumer.getone(), 20)
        return bytes(record.value)
    finally:
        await consumer.stop()


async def _write(login: Login, account: str, topic: str) -> None:
    async with _producing(login, account) as producer:
        await producer.send_and_wait(topic, b"x")


async def test_each_account_can_do_its_work(login: Login) -> None:
    """A record goes in, a worker takes it in a transaction to the alerts, and a subscriber reads it."""
    async with _producing(login, "isthmus-connector", "isthmus-connect-1") as producer, producer.transaction():
        await producer.send_and_wait(NAMES.raw, b"record")
    # Which record comes first depends on what else this broker was used for.
    group = NAMES.group("sense")
    assert await _read_one(login, "isthmus-worker", NAMES.raw, group)
    identity = NAMES.transactional_id("sense", 0)
    async with _producing(login, "isthmus-worker", identity) as producer, producer.transaction():
        # Not what passes between stages: real workers read this broker too, and stop at what is none of theirs.
        for topic in (NAMES.alerts, NAMES.dead_letters, NAMES.events, NAMES.audit):
            await producer.send_and_wait(topic, b"alert", key=b"id")
    assert await _read_one(login, "isthmus-subscriber", NAMES.alerts, "isthmus-subscriber-soc")


@pytest.mark.parametrize(
    ("attempt", "error"),
    [
        (lambda login: _write(login, "isthmus-subscriber", NAMES.alerts), TopicAuthorizationFailedError),
        (lambda login: _write(login, "isthmus-connector", NAMES.alerts), TopicAuthorizationFailedError),
        (lambda login: _read_one(login, "isthmus-subscriber", NAMES.raw, None), KafkaError),
        (lambda login: _read_one(login, "isthmus-connector", NAMES.candidates, None), KafkaError),
        (
            lambda login: _read_one(login, "isthmus-subscriber", NAMES.alerts, NAMES.group("sense")),
            GroupAuthorizationFailedError,
        ),
    ],
    ids=["subscriber-writes", "connector-alerts", "subscriber-raw", "connector-candidates", "subscriber-in-our-group"],
)
async def test_nobody_can_do_more(
    login: Login, attempt: Callable[[Login], Coroutine[Any, Any, Any]], error: type[KafkaError]
) -> None:
    """Each is refused by the broker, not by us."""
    with pytest.raises(error):
        await asyncio.wait_for(attempt(login), 20)


async def test_a_connector_cannot_fence_a_worker(login: Login) -> None:
    """Under a worker's transactional id it could end the worker's transactions."""
    producing = _producing(login, "isthmus-connector", NAMES.transactional_id("sense", 0))
    with pytest.raises(TransactionalIdAuthorizationFailed):
        await asyncio.wait_for(producing.__aenter__(), 20)


PLANT = TopicNames("plant")
"""Apart from the others: what they wrote by hand is no state that a worker could read."""


class Plant:
    """A connector and a worker, each with its own account, on topics of their own."""

    def __init__(self, folder: Path, login: Login, authority: Authority, password_file: Path) -> None:
        port, pages = free_ports(2)
        self._url = f"http://127.0.0.1:{port}/v1/records"
        self._alerts = folder / "alerts.ndjson"
        (folder / "rules.yml").write_text(RULES.lstrip())
        both = "data_dir: data\nrules: [rules.yml]\nrules_cache: {enabled: false}\ncanary: {every: 0s}\n"
        connect, worker = folder / "connect.yml", folder / "worker.yml"
        connect.write_text(
            f"{both}inputs: [{{type: http, port: {port}}}]\nhttp: {{port: {pages}}}\n"
            + _settings(login("isthmus-connector"), authority, password_file, PLANT.prefix)
        )
        worker.write_text(
            f"{both}sinks: [{{type: ndjson, path: {self._alerts}}}]\nhttp: {{enabled: false}}\n"
            + _settings(login("isthmus-worker"), authority, password_file, PLANT.prefix)
        )
        operator = folder / "operator.yml"
        operator.write_text(_settings(login("isthmus-operator"), authority, password_file, PLANT.prefix))
        self.rights = _printed(operator)
        self.operator, self._connect, self._worker = operator, connect, worker

    def start(self) -> None:
        """Make the topics, and start both."""
        applied = CliRunner().invoke(main, ["topics", "apply", "-c", str(self.operator)])
        assert applied.exit_code == 0, applied.output
        self.connect = WorkerProcess(self._connect, "connect", command="connect", instance="1")
        self.worker = WorkerProcess(self._worker, "worker")

    async def force(self, door: str) -> None:
        """Let a door be forced, which is an alert by itself."""
        headers = {"X-Isthmus-Source": "site/1", "X-Isthmus-Dataset": "gallagher.event"}
        async with (
            ClientSession(headers=headers) as session,
            session.post(self._url, data=gallagher("Forced door", door)) as reply,
        ):
            assert reply.status == 202

    async def until_alert(self, door: str) -> None:
        """Wait until the worker has delivered the alert of a door."""
        await _until(lambda: self._alerts.exists() and door in self._alerts.read_text())

    async def until_said(self, words: str) -> None:
        """Wait until the worker has said something."""
        await _until(lambda: words in self.worker.log.read_text())


async def _until(holds: Callable[[], bool], *, timeout_s: float = 120.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_s, "waited in vain"
        await asyncio.sleep(0.2)


async def _right_to_alerts(bootstrap: str, request: type[CreateAclsRequest | DeleteAclsRequest]) -> None:
    """Give or take what a worker needs to write alerts."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    for operation in (_OPERATIONS["Read"], _OPERATIONS["Write"]):
        await client._send_to_controller(request(2, PLANT.alerts, 3, "User:isthmus-worker", "*", operation, 3))
    await client.close()


async def test_processes_work_with_their_rights_and_name_one_that_is_missing(
    login: Login, guarded_kafka: GuardedBroker, authority: Authority, password_file: Path, tmp_path: Path
) -> None:
    """Connector, worker and its sink; a right that is taken away is named, and nothing is lost until it is back."""
    plant = Plant(tmp_path, login, authority, password_file)
    await _give(guarded_kafka.bootstrap, plant.rights)
    await asyncio.to_thread(plant.start)
    try:
        await plant.connect.at_work(said=b"listening")
        await plant.force("door-1")
        await plant.until_alert("door-1")
        await _right_to_alerts(guarded_kafka.bootstrap, DeleteAclsRequest)
        await plant.force("door-2")
        await plant.until_said(f"does not let us do this with topic {PLANT.alerts}: compare its ACLs")
        await _right_to_alerts(guarded_kafka.bootstrap, CreateAclsRequest)
        await plant.until_alert("door-2")
        assert [plant.worker.stop(), plant.connect.stop()] == [0, 0]
    finally:
        plant.worker.kill()
        plant.connect.kill()
