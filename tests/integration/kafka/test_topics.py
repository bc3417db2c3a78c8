"""`isthmus topics` against a real cluster."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from connectors.kafka.admin import TopicRefusedError, administering
from connectors.kafka.settings import KafkaConnection
from connectors.kafka.topic import Topic
from detector.__main__ import main
from tests.integration.servers.kafka.broker import KafkaBroker


class Setup:
    """A settings file and a prefix of its own."""

    def __init__(self, folder: Path, broker: KafkaBroker) -> None:
        self.prefix = f"t{uuid.uuid4().hex[:8]}"
        self.connection = KafkaConnection([broker.bootstrap], plaintext=True)
        self._path = folder / "isthmus.yml"
        self._bootstrap = broker.bootstrap
        self.write()

    def write(self, raw: int = 3, retention: str = "7d") -> None:
        """Write the settings."""
        self._path.write_text(
            f"kafka:\n  connection: {{brokers: ['{self._bootstrap}'], plaintext: true}}\n  prefix: {self.prefix}\n"
            f"  replication: 1\n  partitions: {{raw: {raw}, candidates: 2}}\nretention: {{raw: {retention}}}\n"
        )

    def run(self, command: str) -> Result:
        """Run `isthmus topics COMMAND`."""
        return CliRunner().invoke(main, ["topics", command, "-c", str(self._path)])

    def audited(self) -> str:
        """Run `isthmus audit`."""
        return CliRunner().invoke(main, ["audit", "-c", str(self._path)]).stdout

    def work(self) -> Result:
        """Run `isthmus worker`, which is to refuse."""
        return CliRunner().invoke(main, ["worker", "-c", str(self._path), "--stages", "sense"])

    def topic(self, name: str) -> Topic:
        """Read a topic from the broker."""
        return asyncio.run(self._read(f"{self.prefix}.{name}"))

    async def _read(self, name: str) -> Topic:
        async with administering(self.connection) as admin:
            return (await admin.read({name}))[name]


@pytest.fixture
def setup(tmp_path: Path, kafka: KafkaBroker) -> Setup:
    return Setup(tmp_path, kafka)


def test_apply_makes_what_is_planned_once(setup: Setup) -> None:
    """Check finds everything missing, then nothing; a second apply has nothing to say."""
    missing = setup.run("check")
    assert (missing.exit_code, missing.stdout.count("\n+ ") + 1) == (1, 14)
    assert setup.run("plan").stdout == missing.stdout
    applied = setup.run("apply")
    assert (applied.exit_code, applied.stdout) == (0, missing.stdout)
    assert "14 of 14 topics are as declared" in applied.stderr
    assert "replication is 1" in applied.stderr
    again, checked = setup.run("apply"), setup.run("check")
    assert (again.exit_code, again.stdout, checked.exit_code, checked.stdout) == (0, "", 0, "")
    assert setup.audited().count("topics-applied") == 1
    assert f"created={setup.prefix}.raw.v1," in setup.audited()
    raw = setup.topic("raw.v1")
    assert (raw.partitions, raw.config["message.timestamp.type"]) == (3, "LogAppendTime")
    assert setup.topic("state-sense.v1").config["cleanup.policy"] == "compact"


def test_what_somebody_set_higher_stays_and_what_is_too_low_is_raised(setup: Setup) -> None:
    """A setting that we say nothing of survives a change of another."""
    assert setup.run("apply").exit_code == 0

    async def by_hand() -> None:
        async with administering(setup.connection) as admin:
            found = await admin.read({f"{setup.prefix}.raw.v1", f"{setup.prefix}.alerts.v1"})
            await admin.configure(found[f"{setup.prefix}.raw.v1"], {"compression.type": "zstd"})
            await admin.configure(found[f"{setup.prefix}.alerts.v1"], {"retention.ms": "-1"})

    asyncio.run(by_hand())
    setup.write(retention="10d")
    applied = setup.run("apply")
    assert applied.exit_code == 0
    assert f"~ {setup.prefix}.raw.v1" in applied.stdout
    assert f"{setup.prefix}.alerts.v1" not in applied.stdout
    raw = setup.topic("raw.v1")
    assert (raw.config["retention.ms"], raw.config["compression.type"]) == ("864000000", "zstd")
    assert setup.topic("alerts.v1").config["retention.ms"] == "-1"
    setup.write(retention="1d")
    assert setup.run("check").exit_code == 0


def test_other_partitions_are_refused_with_what_to_do(setup: Setup) -> None:
    """Apply adds none, says why, and tells by its exit code that something is left."""
    assert setup.run("apply").exit_code == 0
    setup.write(raw=5)
    for command in ("apply", "check"):
        said = setup.run(command)
        assert said.exit_code == 1
        assert f"! topic {setup.prefix}.raw.v1 has 3 partitions, the settings ask for 5." in said.stdout
        assert "change-partitions.md" in said.stdout
    assert setup.topic("raw.v1").partitions == 3


def test_a_worker_does_not_start_on_topics_of_another_shape(setup: Setup) -> None:
    """Missing ones, and ones with other partitions, each with what to do."""
    missing = setup.work()
    assert (missing.exit_code, "isthmus topics apply" in missing.output) == (2, True)
    assert setup.run("apply").exit_code == 0
    setup.write(raw=5)
    other = setup.work()
    assert (other.exit_code, "change-partitions.md" in other.output) == (2, True)


async def test_more_copies_than_brokers_is_told(kafka: KafkaBroker) -> None:
    """The broker's own sentence, with the topic's name."""
    async with administering(KafkaConnection([kafka.bootstrap], plaintext=True)) as admin:
        with pytest.raises(TopicRefusedError, match=r"topic t\.r3: .*replication factor of 3"):
            await admin.create(Topic("t.r3", 1, 3, {}))
