"""`isthmus clock` and `isthmus who` for settings that name a cluster."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from click.testing import CliRunner, Result

from connectors.record import RawRecord
from detector.__main__ import main
from detector.settings import Settings
from detector.task import Record
from normalizers.timestamps import format_utc
from tests.integration.kafka.line import append, make_topics, settings_for
from tests.integration.kafka.test_tasks import drained
from tests.integration.servers.kafka.broker import KafkaBroker

NS = 10**9


async def _sense(settings: Settings, sources: list[str]) -> None:
    """Work off one record of each source, stamped 90 s ago."""
    now_ns = time.time_ns()
    value = b'{"time":"%s","type":{"id":"1","name":"Access denied"}}' % format_utc(now_ns - 90 * NS).encode()
    raw = [RawRecord(f"r-{source}", source, "gallagher.event", now_ns, value) for source in sources]
    await append(settings, [Record(each, each.received_ns) for each in raw])
    async for _ in drained(settings):
        pass


def _asked(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_clocks_of_all_partitions_are_read_and_presence_says_where_to_ask(kafka: KafkaBroker, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, kafka.bootstrap, "clocks", raw=3, candidates=1)
    config = str(tmp_path / "isthmus.yml")
    unread = _asked("clock", "-c", config)
    assert (unread.exit_code, unread.stdout) == (2, "")
    assert "make them with `isthmus topics apply`" in unread.stderr
    asyncio.run(make_topics(settings))
    sources = [f"plant/door-{number}" for number in range(6)]
    asyncio.run(_sense(settings, sources))
    shown = _asked("clock", "-c", config, "--format", "json")
    assert shown.exit_code == 0, shown.output
    known = {row["source"]: row for row in map(json.loads, shown.stdout.splitlines())}
    assert set(sources) <= set(known)
    assert {known[each]["status"] for each in sources} == {"learning"}
    refused = _asked("who", "-c", config)
    assert refused.exit_code == 2
    assert "isthmus replay -c SETTINGS --data FOLDER" in refused.stderr
