"""The real process: started, fed over HTTP, killed and started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

RULES = """
title: Door forced
name: door_forced_here
id: 00000000-0000-4000-8000-000000000001
logsource: {category: physical_access}
detection: {s: {event.action: door-forced}, condition: s}
level: high
---
title: Card refused
name: refused
id: 00000000-0000-4000-8000-000000000002
logsource: {category: physical_access}
detection: {s: {event.action: access-denied}, condition: s}
---
title: Three cards refused at a door
name: three_refused
id: 00000000-0000-4000-8000-000000000003
correlation:
  type: event_count
  rules: [refused]
  group-by: [physical.portal.id]
  timespan: 2s
  condition: {gte: 3}
level: medium
---
title: Refused then forced
name: refused_then_forced
id: 00000000-0000-4000-8000-000000000004
correlation:
  type: temporal_ordered
  rules: [three_refused, door_forced_too]
  group-by: [physical.portal.id]
  timespan: 10s
level: high
---
title: Door forced, for chains
name: door_forced_too
id: 00000000-0000-4000-8000-000000000005
logsource: {category: physical_access}
detection: {s: {event.action: door-forced}, condition: s}
"""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_settings(folder: Path, http: int, pages: int, partitions: int = 2) -> Path:
    """Write rules and settings into a folder; returns the settings file."""
    (folder / "rules.yml").write_text(RULES.lstrip())
    path = folder / "isthmus.yml"
    path.write_text(
        f"data_dir: data\nraw_partitions: {partitions}\nrules: [rules.yml]\n"
        "checkpoint: 50ms\nlateness: {default: 1s}\ncanary: {every: 0s}\n"
        f"inputs: [{{type: http, port: {http}}}]\nhttp: {{port: {pages}}}\n"
    )
    return path


class EngineProcess:
    """One life of the process.

    Attributes:
        errors: What it wrote to stderr, once it has ended.
    """

    def __init__(self, settings: Path, http: int, pages: int, failpoint: str = "") -> None:
        self._http, self._pages = http, pages
        self.errors = ""
        environment = {**os.environ, "ISTHMUS_FAILPOINT": failpoint}
        command = [sys.executable, "-m", "detector", "run", "--quiet", "-c", str(settings)]
        self.process = subprocess.Popen(  # noqa: S603  our own command
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def wait_until_up(self) -> None:
        """Wait until the pages answer; a failpoint may end it before."""
        deadline = time.monotonic() + 120  # on a machine that does much else
        while time.monotonic() < deadline and self.is_alive():
            try:
                self.page("/healthz")
            except OSError:
                time.sleep(0.05)
            else:
                return
        if self.is_alive():
            raise TimeoutError("the engine did not come up")

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def post(self, source: str, key: str, records: list[dict[str, Any]]) -> bool:
        """Send records; True once they are acknowledged."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._http}/v1/records",
            data=json.dumps(records).encode(),
            headers={"X-Isthmus-Source": source, "X-Isthmus-Dataset": "gallagher.event", "Idempotency-Key": key},
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:  # noqa: S310  loopback
                return bool(reply.status == 202)
        except OSError:
            return False

    def page(self, path: str) -> Any:  # noqa: ANN401  JSON
        """Read one of its pages."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._pages}{path}", timeout=5) as reply:
                return json.loads(reply.read())
        except urllib.error.HTTPError as error:
            return json.loads(error.read())

    def kill(self) -> None:
        """End it as the kernel would."""
        if self.is_alive():
            self.process.send_signal(signal.SIGKILL)
        self._reap()

    def stop(self) -> int:
        """Ask it to end; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def _reap(self) -> int:
        _, errors = self.process.communicate(timeout=30)
        self.errors = errors.decode()
        if self.process.returncode not in (0, -signal.SIGKILL):
            raise AssertionError(self.errors)
        return self.process.returncode
