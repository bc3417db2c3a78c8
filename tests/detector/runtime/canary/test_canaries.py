"""Canaries come out as test alerts, and nothing else comes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.record import Document
from detector.alert import Alert
from detector.alerting.contract import alert_headers
from detector.kafkasettings import FanOut
from detector.runtime.canary.records import ALERTS, canaries
from detector.runtime.clock import SteppedClock
from detector.runtime.embedded.assembly import Assembly, assemble
from detector.runtime.embedded.intake import BatchingIntake
from detector.runtime.topics.fanning import alert_topics
from detector.runtime.topics.names import TopicNames
from detector.settings import load_settings
from detector.task import DeadLetter
from normalizers.timestamps import format_utc
from tests.detector.runtime.engine_process import RULES

NS = 10**9
START_NS = 1_792_000_000 * NS


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Callable[[str], tuple[Assembly, SteppedClock]]]:
    """Make engines with the bundled rules, or others."""
    made = list[Assembly]()

    def make(name: str, rules: str = "") -> tuple[Assembly, SteppedClock]:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "rules.yml").write_text(RULES.lstrip())
        (folder / "isthmus.yml").write_text(
            f"data_dir: data\nraw_partitions: 4\nlateness: {{default: 1s}}\ndurable: false\nkeep_events: true\n{rules}"
        )
        clock = SteppedClock(START_NS)
        made.append(assemble(load_settings(folder / "isthmus.yml"), clock))
        return made[-1], clock

    yield make
    for each in made:
        each.close()


def _door(source: str, time_ns: int) -> Document:
    value = {"time": format_utc(time_ns), "type": {"id": "1", "name": "Forced door"}, "source": {"name": "Gate"}}
    return Document(source=source, dataset="gallagher.event", value=json.dumps(value).encode())


def _alerts_of(parts: Assembly, clock: SteppedClock, rounds: int, *, doors: bool, sent: bool) -> list[Alert]:
    found = list[Alert]()
    for number in range(rounds):
        clock.set(START_NS + 40 * number * NS)
        documents = canaries(clock.now_ns()) if sent else []
        parts.rawlog.append([*documents, *([_door("site/pacs", clock.now_ns())] if doors else [])])
        for seconds in range(39):
            clock.set(START_NS + (40 * number + seconds) * NS)
            found += parts.driver.step(clock.now_ns()).alerts
    parts.driver.checkpoint()
    return found


def _test_of(alert: Alert) -> Any:  # noqa: ANN401  JSON
    return alert.document["convergence"]["alert"].get("test")


def test_each_round_comes_out_and_fires_nothing_else(engine: Callable[..., tuple[Assembly, SteppedClock]]) -> None:
    """With all bundled rules: a forged door, a controller's write and a VPN log-on alert nobody."""
    parts, clock = engine("bundled")
    alerts = _alerts_of(parts, clock, 3, doors=False, sent=True)
    first = [alert for alert in alerts if alert.revision == 1]
    assert [sum(a.document["event"]["code"] == f"CANARY-{name}" for a in first) for name in ALERTS] == [3] * 5
    assert [_test_of(alert) for alert in alerts] == [True] * len(alerts)
    assert {alert.document["convergence"]["alert"]["group_id"] for alert in first} == {alert.id for alert in first}
    assert [dict(alert_headers(alert))["test"] for alert in first] == [b"true"] * 15
    everything = FanOut(severity=["informational"], domain=["it", "ot", "physical"])
    names = TopicNames("p")
    assert alert_topics(names, everything, first[0].document) == [names.alerts, names.test_alerts]


def test_leave_no_trace_but_their_alerts(engine: Callable[..., tuple[Assembly, SteppedClock]]) -> None:
    """No event, no engine event, nothing heard of their sources, no entry in the list of alerts, no dead letter."""
    parts, clock = engine("bundled")
    _alerts_of(parts, clock, 3, doors=False, sent=True)
    store = parts.store
    assert store.event_log(0, 100) == []
    assert store.outbox() == []
    assert store.alerts(limit=100) == []
    assert store.count_dead_letters() == 0
    # Only since when the engine listens, which it says in a record of its own.
    assert {key for partition in range(4) for key, _ in store.state("sense", partition)} <= {b"s"}
    assert store.state("presence", 0) == []


def test_real_sources_give_what_they_give_without(engine: Callable[..., tuple[Assembly, SteppedClock]]) -> None:
    """Ids and revisions of the alerts of a door that is forced beside them."""
    without = _alerts_of(*engine("without", "rules: [rules.yml]\ncanary: {every: 0s}\n"), 3, doors=True, sent=False)
    beside = _alerts_of(*engine("beside", "rules: [rules.yml]\n"), 3, doors=True, sent=True)
    real = [(alert.id, alert.revision) for alert in beside if not _test_of(alert)]
    assert real == [(alert.id, alert.revision) for alert in without]
    assert len(real) == 3


async def test_nobody_else_can_send_them(engine: Callable[..., tuple[Assembly, SteppedClock]]) -> None:
    """Else a sender could hide what it does from every rule."""
    parts, clock = engine("bundled")
    letters = list[DeadLetter]()
    intake = BatchingIntake(parts.rawlog, clock, letters.extend, datasets={}, on_append=lambda _: None)
    intake.start()
    await intake.put([_door("isthmus/canary/physical", clock.now_ns())])
    await intake.append(canaries(clock.now_ns()))
    await intake.stop()
    assert [(letter.stage, letter.source) for letter in letters] == [("recognise", "isthmus/canary/physical")]
    assert len(parts.rawlog.read(0, 10)) == 4


def test_the_mark_in_an_event_of_somebody_else_is_none(engine: Callable[..., tuple[Assembly, SteppedClock]]) -> None:
    parts, clock = engine("forged", "rules: [rules.yml]\n")
    content = {"@timestamp": format_utc(START_NS), "event.action": "door-forced", "convergence.canary.domain": "it"}
    parts.rawlog.append([Document(source="x", dataset="ecs.event", value=json.dumps(content).encode())])
    progress = parts.driver.step(clock.now_ns())
    parts.driver.checkpoint()
    assert [alert.document["event"]["code"] for alert in progress.alerts] == ["door_forced_here"]
    assert [list(event.fields) for _, event in parts.store.event_log(0, 10) if "canary" in str(event.fields)] == []
