"""When a task's checkpoint is made: at its interval, and sooner for an alert that waits."""

from __future__ import annotations

import asyncio
import time

import pytest

from detector.runtime.kafka.ownership import until_checkpoint

LONG_S, SHORT_S = 5.0, 0.05


@pytest.mark.parametrize(
    ("is_pressing", "due_s", "soon_s", "is_due", "waited_s"),
    [
        (False, SHORT_S, 0.0, True, SHORT_S),
        (True, LONG_S, 0.0, False, 0.0),
        (True, LONG_S, SHORT_S, False, SHORT_S),
        (True, SHORT_S, LONG_S, True, SHORT_S),
        (False, 0.0, 0.0, True, 0.0),
    ],
)
async def test_an_alert_is_committed_soon_but_the_interval_goes_on(
    *, is_pressing: bool, due_s: float, soon_s: float, is_due: bool, waited_s: float
) -> None:
    """What presses waits only for the share of the last checkpoint, and nothing puts off the one that is due."""
    pressing, began_s = asyncio.Event(), time.monotonic()
    if is_pressing:
        pressing.set()
    assert await until_checkpoint(began_s + due_s, pressing, began_s + soon_s) is is_due
    assert waited_s <= time.monotonic() - began_s < LONG_S


async def test_an_alert_that_comes_while_waiting_ends_the_wait() -> None:
    pressing, began_s = asyncio.Event(), time.monotonic()
    asyncio.get_running_loop().call_later(SHORT_S, pressing.set)
    assert await until_checkpoint(began_s + LONG_S, pressing, began_s) is False
    assert time.monotonic() - began_s < LONG_S
