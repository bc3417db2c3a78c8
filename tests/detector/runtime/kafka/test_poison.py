"""Records that a task fails on are found one by one, and are not taken for a fault of the task."""

from __future__ import annotations

import pytest

from detector.errors import StateError
from detector.runtime.kafka.poison import MAX_BAD, Poison


def test_a_batch_is_only_suspect() -> None:
    poison = Poison()
    poison.suspect([5, 6, 9], ValueError("x"))
    assert [poison.is_suspect(offset) for offset in (5, 9, 10)] == [True, True, False]
    assert poison.reason(6) is None


def test_a_single_record_is_bad_until_it_is_behind() -> None:
    poison = Poison()
    poison.suspect([6], ValueError("x"))
    assert "ValueError('x')" in str(poison.reason(6))
    poison.forget_before(6)
    assert poison.reason(6) is not None
    poison.forget_before(7)
    assert poison.reason(6) is None


def test_a_task_that_fails_on_everything_stops() -> None:
    poison = Poison()
    for offset in range(MAX_BAD):
        poison.suspect([offset], ValueError("x"))
    with pytest.raises(StateError, match="in a row"):
        poison.suspect([MAX_BAD], ValueError("x"))


def test_a_failed_tick_accuses_no_record() -> None:
    poison = Poison()
    poison.suspect([], ValueError("x"))
    assert not poison.is_suspect(0)
