"""docs/how-to/dead-letters.md on a cluster: its commands as they stand there, then again, and once killed half-way."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from click.testing import CliRunner, Result

from connectors.record import RawRecord
from detector.__main__ import main
from detector.runtime.topics.names import TopicNames
from detector.settings import Settings
from detector.task import Record
from tests.detector.alerting.contract import ROOT
from tests.integration.kafka.line import Read, append, make_topics, read_all, settings_for
from tests.integration.kafka.test_tasks import drained
from tests.integration.servers.kafka.broker import KafkaBroker

PAGE = ROOT / "docs" / "how-to" / "dead-letters.md"
NAMES = TopicNames("letters")
ASA = (
    b"<166>Oct 19 10:30:12 vpn-01 : %ASA-6-113039: Group <STAFF> User <anna> IP <198.51.100.7> "
    b"AnyConnect parent session started."
)
HOSTILE = b"\x1b]0;owned\x07"


async def _sense(settings: Settings, values: list[bytes]) -> None:
    """Append records of one source, as of a dataset that they are not, and work everything off."""
    if values:
        now_ns = time.time_ns()
        raw = [RawRecord(f"r{n}", "plant/gate", "gallagher.event", now_ns + n, value) for n, value in enumerate(values)]
        await append(settings, [Record(each, each.received_ns) for each in raw])
    async for _ in drained(settings):
        pass


def _commands(number: int, config: Path) -> list[list[str]]:
    """Return the page's commands, about this letter and these settings."""
    block = re.search(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    lines = block[1].replace(" 17", f" {number}").replace("isthmus.yml", str(config)).splitlines()
    return [shlex.split(line)[1:] for line in lines]


def _said(arguments: list[str], code: int = 0) -> str:
    said: Result = CliRunner().invoke(main, arguments)
    assert said.exit_code == code, said.output
    return said.stdout


def _raw(kafka: KafkaBroker) -> list[Read]:
    return [each for each in asyncio.run(read_all(kafka.bootstrap, NAMES.raw)) if each.key == b"plant/gate"]


def test_the_page_works_and_puts_back_once(kafka: KafkaBroker, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, kafka.bootstrap, "letters", raw=2, candidates=1)
    config = tmp_path / "isthmus.yml"
    asyncio.run(make_topics(settings))
    asyncio.run(_sense(settings, [ASA, HOSTILE]))
    _, second = listed = _said(["deadletter", "list", "-c", str(config)]).splitlines()[::-1]
    assert ["normalize" in line and "gallagher.event" in line for line in listed] == [True, True]
    number, other = (int(line.split()[0]) for line in listed)
    list_, show, retry = _commands(number, config)
    assert len(_said(list_).splitlines()) == 2
    assert ASA.decode() in _said(show)
    assert "\x1b" not in _said([*show[:-1], str(other)])
    assert _said(retry) == f"{number:>6}  put back as cisco.asa\n"
    assert _said(retry) == f"{number:>6}  was put back as cisco.asa before; not done again\n"
    assert "(put back)" in _said(list_).splitlines()[1]
    assert "no such dead letter" in _said(["deadletter", "retry", "-c", str(config), "99999"], code=1)
    assert "--limit" not in second

    # Killed with the transaction open, then given again: still once.
    again = ["deadletter", "retry", "-c", str(config), str(number), "--dataset", "ecs.event"]
    killed = subprocess.run(  # noqa: S603  our own command
        [sys.executable, "-m", "detector", *again],
        env={**os.environ, "ISTHMUS_FAILPOINT": "deadletter-inside"},
        check=False,
        timeout=60,
    )
    assert killed.returncode != 0
    assert _said(again) == f"{number:>6}  put back as ecs.event\n"
    put_back = [(each.headers["dataset"], each.value) for each in _raw(kafka)[2:]]
    assert put_back == [(b"cisco.asa", ASA), (b"ecs.event", ASA)]

    # Each is in the audit log, which the same transactions wrote; so is who took which task over.
    kept = [json.loads(line) for line in _said(["audit", "-c", str(config), "--json"]).splitlines()]
    facts = [each["convergence"]["audit"] for each in kept if each["event"]["action"] == "deadletter-retried"]
    assert [(each["number"], each["dataset"]) for each in facts] == [(number, "ecs.event"), (number, "cisco.asa")]
    assert [each["record"].encode() for each in facts[::-1]] == [each.headers["id"] for each in _raw(kafka)[2:]]
    taken = [each["convergence"]["audit"] for each in kept if each["event"]["action"] == "task-taken-over"]
    assert {(each["stage"], each["partition"], each["generation"]) for each in taken} == {
        ("sense", 0, 1),
        ("sense", 1, 1),
        ("correlate", 0, 1),
        ("group", 0, 1),
    }

    # What was put back rightly is an event now; what was not is a letter of its own.
    asyncio.run(_sense(settings, []))
    assert [line.split()[4] for line in _said(list_).splitlines()] == [
        "ecs.event",
        "gallagher.event",
        "gallagher.event",
    ]
