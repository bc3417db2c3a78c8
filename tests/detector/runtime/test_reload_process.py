"""A running engine whose rules change: good ones are taken, bad ones refused, and a kill in between loses nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.detector.runtime.changing_rules import BASE, CHANGES, settings_of
from tests.detector.runtime.engine_process import EngineProcess, free_port


@contextmanager
def running(folder: Path, more: str = "", failpoint: str = "") -> Iterator[EngineProcess]:
    http, pages = free_port(), free_port()
    path = folder / "isthmus.yml"
    if not path.exists():
        inputs = f"inputs: [{{type: http, port: {http}}}]\nhttp: {{port: {pages}}}\n"
        settings_of(folder, BASE, inputs + more)
    else:
        found = msgspec.yaml.decode(path.read_bytes())
        http, pages = found["inputs"][0]["port"], found["http"]["port"]
    engine = EngineProcess(path, http, pages, failpoint)
    try:
        engine.wait_until_up()
        yield engine
    finally:
        engine.kill()


def send(engine: EngineProcess, *names: str) -> None:
    for name in names:
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        document = {"time": stamp, "type": {"id": "1", "name": name}, "source": {"name": "door-1"}}
        assert engine.post("a/pacs", f"{name}-{time.monotonic_ns()}", [document])


def eventually(read: Callable[[], Any], wanted: Any) -> None:  # noqa: ANN401  whatever is compared
    deadline = time.monotonic() + 20
    while read() != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    assert read() == wanted


def titles(engine: EngineProcess) -> list[str]:
    return sorted(alert["rule"]["name"] for alert in engine.page("/api/alerts")["alerts"])


def test_the_process_takes_good_rules_and_refuses_bad_ones(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    with running(tmp_path, "watch_rules: 200ms\n") as engine:
        send(engine, "Access denied", "Access denied")
        first = engine.page("/healthz")["bundle"]
        rules.write_text(CHANGES["another rule"])
        eventually(lambda: engine.page("/healthz")["rules"], 4)
        send(engine, "Forced door", "Access denied")
        eventually(lambda: titles(engine), ["Door forced", "Door forced too", "Three cards refused at a door"])
        good = engine.page("/healthz")["bundle"]
        assert {alert["convergence"]["bundle"] for alert in engine.page("/api/alerts")["alerts"]} == {good} != {first}
        rules.write_text(BASE.replace("gte: 3", "gtee: 3"))
        eventually(lambda: (engine.page("/healthz")["rules_refused"] or {}).get("faults"), 1)
        health = engine.page("/healthz")
        assert (health["status"], health["bundle"]) == ("ok", good)
        assert "did you mean 'gte'" in health["rules_refused"]["report"][0]
        send(engine, "Forced door")
        eventually(lambda: len(titles(engine)), 5)
        rules.write_text(BASE)
        eventually(lambda: engine.page("/healthz")["rules_refused"], None)
        assert engine.stop() == 0


def test_sighup_reloads_at_once(tmp_path: Path) -> None:
    with running(tmp_path, "watch_rules: 0s\n") as engine:
        (tmp_path / "rules.yml").write_text(CHANGES["another rule"])
        time.sleep(1)
        assert engine.page("/healthz")["rules"] == 3
        engine.process.send_signal(signal.SIGHUP)
        eventually(lambda: engine.page("/healthz")["rules"], 4)


@pytest.mark.parametrize("failpoint", ["reload-loaded", "reload-inside"])
def test_a_kill_during_a_reload_loses_nothing(tmp_path: Path, failpoint: str) -> None:
    with running(tmp_path, "watch_rules: 0s\n", failpoint) as engine:
        send(engine, "Access denied", "Access denied")
        (tmp_path / "rules.yml").write_text(CHANGES["another rule"])
        engine.process.send_signal(signal.SIGHUP)
        eventually(engine.is_alive, wanted=False)
    with running(tmp_path) as engine:
        send(engine, "Access denied", "Forced door")
        eventually(lambda: titles(engine), ["Door forced", "Door forced too", "Three cards refused at a door"])
