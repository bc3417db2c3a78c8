"""The watchdog ends a worker that stands still, and no other."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from detector.runtime.clock import SystemClock
from detector.runtime.kafka.outgoing import ContextRouting
from detector.runtime.kafka.ownership import Ownership
from detector.runtime.kafka.stage import Stage
from detector.runtime.kafka.surroundings import Surroundings
from detector.runtime.kafka.watchdog import EXIT_CODE, Watchdog
from detector.runtime.topics.names import TopicNames


def test_ends_the_worker_when_one_sign_is_too_old(capfd: pytest.CaptureFixture[str]) -> None:
    ended, codes = threading.Event(), list[int]()

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    begun_s = time.monotonic()
    signs = {"the event loop": time.monotonic, "sense": lambda: begun_s}
    Watchdog(signs, limit_s=0.5, end=end).start()
    assert ended.wait(5)
    assert codes == [EXIT_CODE]
    assert "no sign of sense" in capfd.readouterr().err


async def test_a_worker_that_had_nothing_to_do_is_not_taken_for_dead() -> None:
    """Idle for hours, then it takes over from one that died: ended at once, it would leave nobody."""
    names = TopicNames("t")
    stage = Stage("group", names.drafts, 1, _never, _never, ContextRouting(names), names, "bundle")
    around = Surroundings({"bootstrap_servers": "127.0.0.1:9"}, SystemClock())
    owned = Ownership(stage, around, checkpoint_s=0.1, on_failure=lambda _: None)
    owned.held_s = owned.read_s = time.monotonic() - 10_000
    await owned.assign([0])
    assert time.monotonic() - owned.alive_s() < 60
    await owned.assign([])


def _never(*_: object) -> Any:  # noqa: ANN401  in the place of what this test does not come to
    raise AssertionError


def test_leaves_a_living_worker_alone() -> None:
    ended = threading.Event()
    watchdog = Watchdog({"sense": time.monotonic}, limit_s=0.5, end=lambda _: ended.set())
    watchdog.start()
    assert not ended.wait(2)
    watchdog.stop()
