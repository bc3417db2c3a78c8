"""When a canary counts as overdue."""

from __future__ import annotations

from typing import Any

import msgspec
from structlog.testing import capture_logs

from detector.canarysettings import CanarySettings
from detector.duration import parse_duration
from detector.runtime.canary.records import ALERTS
from detector.runtime.canary.watching import CanaryWatch
from detector.runtime.clock import SteppedClock
from detector.settings import Settings
from normalizers.timestamps import format_utc

NS = 10**9
START_NS = 1_792_000_000 * NS
SETTINGS = Settings(
    canary=CanarySettings(parse_duration("30s"), parse_duration("5s")), lateness={"default": parse_duration("10s")}
)
DUE_NS = 45 * NS
"""From one to the next, what one may take, and what its records may be late."""


def _alert(name: str, sent_ns: int) -> dict[str, Any]:
    return {"event": {"code": f"CANARY-{name}", "end": format_utc(sent_ns)}}


def test_is_overdue_just_after_its_time() -> None:
    """Counted from when the newest that came out was sent; the others are not."""
    clock = SteppedClock(START_NS)
    watch = CanaryWatch(SETTINGS, clock)
    clock.set(START_NS + 10 * NS)
    for name in ALERTS:
        watch.saw(_alert(name, START_NS + (1 if name == "ot" else 10) * NS))
    clock.set(START_NS + NS + DUE_NS)
    assert (watch.overdue(), watch.problems()) == ({}, [])
    clock.set(START_NS + NS + DUE_NS + 1)
    assert watch.overdue() == {"ot": 45}
    assert watch.problems() == ["canary of domain ot has not come out for 45 s"]
    assert watch.report()["overdue"] == {"ot": 45}


def test_before_the_first_one_the_start_counts() -> None:
    """So that an engine into which nothing comes at all says so."""
    clock = SteppedClock(START_NS)
    watch = CanaryWatch(SETTINGS, clock)
    clock.set(START_NS + DUE_NS + 1)
    assert set(watch.overdue()) == set(ALERTS)
    assert "canary that all domains must meet for has not come out for 45 s" in watch.problems()


def test_tells_once_and_tells_the_end() -> None:
    clock = SteppedClock(START_NS)
    watch = CanaryWatch(SETTINGS, clock)
    clock.set(START_NS + DUE_NS + 1)
    with capture_logs() as logs:
        for _ in range(2):
            watch.tell()
        watch.saw(_alert("it", clock.now_ns()))
        watch.tell()
    told = [(each["event"], each["canary"]) for each in logs]
    assert told == [*(("canary_overdue", name) for name in ALERTS), ("canary_came_out_again", "it")]


def test_one_of_the_future_an_older_one_or_one_that_nobody_knows_excuses_nothing() -> None:
    clock = SteppedClock(START_NS)
    watch = CanaryWatch(SETTINGS, clock)
    watch.saw(_alert("ot", START_NS + 3_600 * NS))
    for each in (_alert("ot", START_NS), _alert("moon", START_NS), {"event": {"code": "CANARY-ot", "end": "soon"}}):
        watch.saw(each)
    assert watch.report()["sent"] == {"ot": format_utc(START_NS)}
    clock.set(START_NS + DUE_NS + 1)
    assert "ot" in watch.overdue()


def test_none_is_missed_when_none_is_sent() -> None:
    clock = SteppedClock(START_NS)
    settings = msgspec.structs.replace(SETTINGS, canary=CanarySettings(every=parse_duration("0s")))
    watch = CanaryWatch(settings, clock)
    clock.set(START_NS + 3_600 * NS)
    assert watch.overdue() == {}


def test_metrics_name_every_canary() -> None:
    clock = SteppedClock(START_NS)
    watch = CanaryWatch(SETTINGS, clock)
    clock.set(START_NS + 60 * NS)
    watch.saw(_alert("ot", START_NS + 60 * NS))
    samples = [(s.name, s.labels["canary"], s.value) for family in watch.families() for s in family.samples]
    assert samples[0] == ("isthmus_canary_sent_seconds", "ot", 1_792_000_060.0)
    assert samples[1:] == [("isthmus_canary_overdue", name, float(name != "ot")) for name in ALERTS]
