"""The watchdog ends a worker that stands still, and no other."""

from __future__ import annotations

import threading
import time

import pytest

from detector.runtime.kafka.watchdog import EXIT_CODE, Watchdog


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


def test_leaves_a_living_worker_alone() -> None:
    ended = threading.Event()
    watchdog = Watchdog({"sense": time.monotonic}, limit_s=0.5, end=lambda _: ended.set())
    watchdog.start()
    assert not ended.wait(2)
    watchdog.stop()
