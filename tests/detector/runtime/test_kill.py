"""`kill -9` at any moment: nothing acknowledged is lost, and the alerts are those of an undisturbed run."""

from __future__ import annotations

import os
import random
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detector.runtime.clock import SystemClock
from detector.runtime.embedded.rawlog import RawLog
from detector.runtime.embedded.replaying import replay
from detector.runtime.embedded.store import EngineStore
from detector.settings import load_settings
from detector.task import CANARY_SOURCE, ENGINE_DATASET
from tests.detector.runtime.engine_process import EngineProcess, free_port, write_settings

FAILPOINTS = [
    "append-before-commit:3",
    "append-after-commit:5",
    "checkpoint-before:2",
    "checkpoint-inside:2",
    "checkpoint-after:2",
]
RANDOM_KILLS = 20 if os.environ.get("ISTHMUS_LONG") else 3


def _records(draw: random.Random) -> list[dict[str, Any]]:
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    names = ["Access denied", "Access denied", "Access denied", "Forced door", "Access granted"]
    return [
        {
            "time": stamp,
            "type": {"id": "1", "name": draw.choice(names)},
            "source": {"name": f"door-{draw.randrange(4)}"},
        }
        for _ in range(draw.randint(1, 5))
    ]


class Feeder:
    """Sends batches until each is acknowledged, across any number of lives."""

    def __init__(self, settings: Path, http: int, pages: int) -> None:
        self._settings, self._http, self._pages = settings, http, pages
        self._draw = random.Random(7)  # noqa: S311  a fixed test, not a secret
        self._number = 0
        self._pending: tuple[str, str, list[dict[str, Any]]] | None = None
        self.acknowledged = 0

    def live(self, failpoint: str, batches: int) -> EngineProcess:
        """Live once: send batches until they are through, or the process has ended."""
        engine = EngineProcess(self._settings, self._http, self._pages, failpoint)
        engine.wait_until_up()
        done = 0
        while done < batches and engine.is_alive():
            if self._pending is None:
                self._number += 1
                self._pending = (f"site/{self._number % 3}", f"key-{self._number}", _records(self._draw))
            if engine.post(*self._pending):
                self.acknowledged += len(self._pending[2])
                self._pending = None
                done += 1
            time.sleep(0.01)
        return engine


def _alert_ids(data: Path) -> set[str]:
    store = EngineStore(data / "engine.db", durable=False)
    documents = [msgspec.json.decode(each) for each in store.alerts(limit=100_000)]
    store.close()
    return {document["event"]["id"] for document in documents}


@pytest.mark.slow
def test_any_number_of_kills_changes_nothing(tmp_path: Path) -> None:
    http, pages = free_port(), free_port()
    settings = write_settings(tmp_path, http, pages)
    feeder = Feeder(settings, http, pages)
    for failpoint in FAILPOINTS:
        engine = feeder.live(failpoint, 500)
        assert not engine.is_alive(), f"{failpoint} was never passed"
        engine.kill()
    for _ in range(RANDOM_KILLS):
        engine = feeder.live("", random.Random(feeder.acknowledged).randint(3, 40))  # noqa: S311  a fixed test
        engine.kill()
    engine = feeder.live("", 20)
    deadline = time.monotonic() + 60
    while engine.page("/healthz")["lag"] > 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(8)  # past lateness, windows and timers of the rules above, on the machine's own clock
    assert engine.stop() == 0

    log = RawLog(tmp_path / "data" / "raw.db", SystemClock(), partitions=2, durable=False)
    raw = [logged.entry for logged in log.read(0, 1_000_000)]
    log.close()
    # A batch that was appended but never acknowledged is sent again under its key and counts once.
    own = (entry.record.dataset == ENGINE_DATASET or entry.record.source.startswith(CANARY_SOURCE) for entry in raw)
    assert len(raw) - sum(own) == feeder.acknowledged
    quiet = msgspec.structs.replace(load_settings(settings), data_dir=tmp_path / "again", durable=False)
    expected = set(replay(quiet, raw).alerts)
    assert len(expected) > 5
    assert _alert_ids(tmp_path / "data") == expected
