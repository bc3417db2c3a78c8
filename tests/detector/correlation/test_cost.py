"""What one busy group costs, counted in steps of work: long windows, and floods of what comes late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.correlation.composing import Composer
from detector.correlation.ordered import OrderedCondition
from detector.correlation.plan import plan_correlations
from detector.correlation.window import Window
from tests.detector.correlation.driving import SECOND, Arrival, Bench, rule

TEXT = (
    f"{rule('r_a', 'a')}---\n{rule('r_b', 'b')}---\n{rule('r_c', 'c')}---\ntitle: t\nname: t\ncorrelation:\n"
    "  group-by: [user.name]\n  timespan: 10m\n"
)
COUNT = f"{TEXT}  type: event_count\n  rules: [r_a]\n  condition: {{gte: 2}}\n"
ORDERED = f"{TEXT}  type: temporal_ordered\n  rules: [r_a, r_b]\n"
THREE = f"{TEXT}  type: temporal_ordered\n  rules: [r_a, r_b, r_c]\n"
REPEATED = f"{TEXT}  type: temporal_ordered\n  rules: [r_a, r_b, r_a]\n"


def _event(name: int, action: str, time_s: float, *, ready_s: float | None = None, doubt_s: float = 0.0) -> Arrival:
    fields = {"event.action": action, "user.name": "u"}
    return Arrival(f"{name:06d}", time_s, time_s if ready_s is None else ready_s, {**fields}, doubt_s)


def _counted(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[None]:
    calls = list[None]()
    original: Callable[..., Any] = getattr(owner, name)

    def count(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  stands for any method
        calls.append(None)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, count)
    return calls


def test_the_end_of_a_sequence_is_not_searched_for_in_every_last_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """One `a`, then hundreds of `b`: each `b` that leaves asks once whether a sequence is left, not once for each."""
    count = 300
    calls = _counted(monkeypatch, OrderedCondition, "_chain")
    drafts = Bench(ORDERED).run([_event(0, "a", 0), *(_event(n, "b", n) for n in range(1, count))])
    assert [draft.count for draft in drafts.values()] == [count - 1]
    assert len(calls) < 4 * count


def test_a_late_event_writes_its_alert_once_for_many_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that joins hundreds of windows late is written into the alert in few revisions."""
    on_time = [_event(n, "a", n) for n in range(300)]
    calls = _counted(monkeypatch, Composer, "extended")
    drafts = Bench(COUNT).run([*on_time, _event(300, "a", 0.5, ready_s=320)])
    (draft,) = drafts.values()
    # 299 windows held before, and 300 hold the late one: that which ends with it, and those of all that follow it.
    assert (draft.late, draft.count) == (True, 299 + 300)
    assert len(calls) < 20


@given(st.sampled_from([ORDERED, THREE, REPEATED]), st.data())
def test_a_sequence_that_is_left_is_found_as_by_asking_every_last_event(text: str, data: st.DataObject) -> None:
    """Leaving out last events that cannot matter loses no sequence, whatever the clocks' uncertainty."""
    bench = Bench(text)
    (plan,) = plan_correlations(bench.ruleset, bench.settings).values()
    condition, window = OrderedCondition(plan), Window()
    moments = st.tuples(st.integers(0, 6), st.sampled_from("abc"), st.integers(0, 12), st.sampled_from([0.0, 0.5, 2.0]))
    for name, action, time_s, doubt_s in data.draw(st.lists(moments, max_size=12)):
        for candidate in bench.candidates(_event(name, action, time_s, doubt_s=doubt_s)):
            window.insert(candidate)
    start_ns = data.draw(st.integers(0, 12)) * SECOND
    end_ns = 12 * SECOND
    last = plan.rule.rules[-1]
    chains = (
        condition._chain(window, entry[3], None, "", floor_ns=start_ns)
        for entry in reversed(window.rule_between(last, start_ns, end_ns))
    )
    expected = next((chain for chain in chains if chain is not None), None)
    found = condition._left(window, start_ns, end_ns, "")
    assert found == expected
