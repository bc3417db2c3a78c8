"""Real workers and connectors: processes that are started, stopped, frozen and killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from detector.runtime.topics.names import TopicNames
from detector.settings import Settings
from tests.integration.kafka.line import kafka_of, read_all


class WorkerProcess:
    """One life of a worker, or of another command."""

    def __init__(
        self,
        settings: Path,
        name: str,
        *,
        failpoint: str = "",
        instance: str = "",
        stages: str = "",
        command: str = "worker",
    ) -> None:
        self.log = settings.with_name(f"{name}.log")
        command_line = [sys.executable, "-m", "detector", command, "-c", str(settings)]
        if instance:
            command_line += ["--instance", instance]
        if stages:
            command_line += ["--stages", stages]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  our own command
                command_line, env={**os.environ, "ISTHMUS_FAILPOINT": failpoint}, stdout=log, stderr=log
            )

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    async def at_work(self, *, said: bytes = b"task_opened", timeout_s: float = 120.0) -> None:
        """Wait until it has opened a task, or said something else."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s and self.is_alive:
            if said in self.log.read_bytes():
                return
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{self.log.name}: never said {said!r}")

    def kill(self) -> None:
        """End it as the kernel would."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if nothing had been."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """Ask it to end; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill()
            return -9


async def until_quiet(settings: Settings, *, quiet_s: float = 4.0, timeout_s: float = 90.0, at_least: int = 1) -> int:
    """Wait until no revision of an alert has come for a while; returns how many there are."""
    kafka = kafka_of(settings)
    topic = TopicNames(kafka.prefix).alerts
    count, since_s = 0, time.monotonic()
    deadline_s = since_s + timeout_s
    while time.monotonic() < deadline_s:
        found = len(await read_all(kafka.connection.brokers[0], topic))
        if found != count or found < at_least:
            count, since_s = found, time.monotonic()
        elif time.monotonic() - since_s > quiet_s:
            return count
        await asyncio.sleep(0.5)
    raise TimeoutError(f"{count} revisions after {timeout_s} s")
