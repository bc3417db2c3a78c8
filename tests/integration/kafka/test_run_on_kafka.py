"""docs/how-to/run-on-kafka.md, followed line by line as a newcomer would."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.detector.alerting.contract import ROOT
from tests.detector.runtime.engine_process import free_port
from tests.integration.servers.kafka.broker import KafkaBroker

PAGE = ROOT / "docs" / "how-to" / "run-on-kafka.md"
_FILE = re.compile(r"^```yaml (?P<name>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_SHELL = re.compile(r"^```sh\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Newcomer:
    """A folder with the page's files, and a shell in it that stays open."""

    def __init__(self, folder: Path, broker: KafkaBroker) -> None:
        self.folder = folder
        self._changes = {"127.0.0.1:9092": broker.bootstrap, "8687": str(free_port())}
        command = folder / "bin" / "isthmus"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m detector "$@"\n')
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        path = f"{command.parent}:{os.environ['PATH']}"
        for file in _FILE.finditer(PAGE.read_text(encoding="utf-8")):
            (folder / file["name"]).write_text(self._changed(file["text"]))
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self._shell = subprocess.Popen(
                ["bash"],  # noqa: S607  the newcomer's
                cwd=folder,
                env={**os.environ, "PATH": path},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def type(self, line: str) -> None:
        """Type a line and wait until the prompt is back; it must have gone well."""
        assert self._shell.stdin is not None
        done = self.folder / "done"
        done.unlink(missing_ok=True)
        self._shell.stdin.write(f"{self._changed(line)}\necho $? > done\n".encode())
        self._shell.stdin.flush()
        deadline = time.monotonic() + 60
        while not (done.exists() and done.read_text().strip()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert done.read_text().strip() == "0", f"{line}\n{self.log.read_text()[-3_000:]}"

    def until_said(self, text: str, times: int) -> None:
        """Wait until processes have said something so often."""
        deadline = time.monotonic() + 60
        while self.log.read_text().count(text) < times and time.monotonic() < deadline:
            time.sleep(0.1)
        assert self.log.read_text().count(text) >= times, self.log.read_text()[-3_000:]

    def alerts(self, count: int) -> list[str]:
        """Wait for alerts; returns what they say, one a revision."""
        path, deadline = self.folder / "alerts.ndjson", time.monotonic() + 60
        while time.monotonic() < deadline:
            lines = path.read_text().splitlines() if path.exists() else []
            if len({json.loads(line)["event"]["id"] for line in lines}) >= count:
                break
            time.sleep(0.2)
        return [json.loads(line)["message"] for line in lines]

    def leave(self) -> None:
        """End everything that was started."""
        os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.communicate()

    def _changed(self, text: str) -> str:
        for before, after in self._changes.items():
            text = text.replace(before, after)
        return text


@pytest.fixture
def newcomer(tmp_path: Path, own_kafka: KafkaBroker) -> Iterator[Newcomer]:
    someone = Newcomer(tmp_path, own_kafka)
    yield someone
    someone.leave()


@pytest.mark.slow
def test_a_newcomer_gets_there(newcomer: Newcomer) -> None:
    """Every line of sections 3 to 5, typed in order; the second alert comes although a worker was killed."""
    topics, started, (first,), (kill, second) = (
        block["text"].splitlines() for block in _SHELL.finditer(PAGE.read_text(encoding="utf-8"))
    )
    for line in (*topics, *started):
        newcomer.type(line)
    newcomer.until_said("listening: HttpPushListener", 1)
    newcomer.until_said("worker_started", 2)
    newcomer.type(first)
    assert len(newcomer.alerts(1)) == 1
    newcomer.type(kill)
    newcomer.type(second)
    messages = newcomer.alerts(2)
    assert len(messages) == 2
    assert ["Gate 1" in messages[0], "Gate 2" in messages[1]] == [True, True]
