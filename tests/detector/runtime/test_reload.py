"""Rules that change under a running engine: what they decide, what they keep, and what they refuse."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from connectors.record import RawRecord
from detector.errors import SettingsError
from detector.rules.model import RuleSet
from detector.runtime.assembly import read_rules
from detector.runtime.clock import SteppedClock
from detector.runtime.embedded.assembly import Assembly, assemble
from detector.runtime.embedded.driver import Stages
from detector.runtime.embedded.engine import EmbeddedEngine
from detector.runtime.embedded.metrics import EngineMetrics
from detector.runtime.reloading import RuleReload
from detector.settings import Settings, load_settings
from detector.task import Record
from tests.detector.runtime.changing_rules import (
    BASE,
    CHANGES,
    FORCED,
    FORCED_TOO,
    NOT_INSIDE,
    REFUSED,
    settings_of,
)

SECOND = 10**9
START_NS = 1_800_000_000 * SECOND


class Line:
    """An engine driven by hand: a record a second, under rules that may change in between."""

    def __init__(self, folder: Path, rules: str) -> None:
        folder.mkdir()
        self._path = settings_of(folder, rules)
        self._clock = SteppedClock(START_NS)
        self._number = 0
        self.alerts: dict[str, dict[str, Any]] = {}
        self.parts: Assembly = assemble(self._settings, self._clock)

    @property
    def _settings(self) -> Settings:
        return msgspec.structs.replace(load_settings(self._path), durable=False)

    def feed(self, *names: str, door: str = "door-1") -> None:
        """Let things happen a second apart, and apply them."""
        for name in names:
            self._number += 1
            time_ns = START_NS + self._number * SECOND
            stamp = datetime.fromtimestamp(time_ns / SECOND, UTC).isoformat().replace("+00:00", "Z")
            document = {"time": stamp, "type": {"id": "1", "name": name}, "source": {"name": door}}
            raw = RawRecord(f"r{self._number}", "a/pacs", "gallagher.event", time_ns, msgspec.json.encode(document))
            self._clock.set(time_ns)
            self.parts.rawlog.append_recorded([Record(raw, time_ns, "test", self._number)])
            self._step()

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self._clock.set(self._clock.now_ns() + seconds * SECOND)
        self._step()

    def reload(self, rules: str) -> None:
        """Change the rules while it runs."""
        self._path.with_name("rules.yml").write_text(rules)
        self.parts.driver.adopt(self.parts.build(read_rules(self._settings)))

    def restart(self, rules: str) -> None:
        """Change the rules while it is down."""
        self.parts.driver.checkpoint()
        self.parts.close()
        self._path.with_name("rules.yml").write_text(rules)
        self.parts = assemble(self._settings, self._clock)

    def titles(self) -> list[str]:
        """Return the titles of all alerts, sorted."""
        return sorted(document["rule"]["name"] for document in self.alerts.values())

    def _step(self) -> None:
        while True:
            progress = self.parts.driver.step(self._clock.now_ns())
            self.alerts.update((alert.id, alert.document) for alert in progress.alerts)
            if progress.at_end:
                self.parts.driver.checkpoint()
                return


@pytest.mark.parametrize("rules", CHANGES.values(), ids=list(CHANGES))
def test_a_reload_gives_what_a_restart_gives(tmp_path: Path, rules: str) -> None:
    reloaded, restarted = Line(tmp_path / "a", BASE), Line(tmp_path / "b", BASE)
    for line, change in ((reloaded, reloaded.reload), (restarted, restarted.restart)):
        line.feed("Access denied", "Access denied", "Forced door")
        change(rules)
        line.feed("Access denied", "Forced door", "Access granted", "Access granted", "Access granted")
        change(BASE)
        line.feed("Access denied", "Access denied", "Access denied", "Forced door")
        line.wait(200)
        line.wait(90_000)
    assert reloaded.alerts.keys() == restarted.alerts.keys()
    assert len(reloaded.alerts) >= 4
    for alert_id, document in restarted.alerts.items():
        # Only a restart forgets the words of a rule that left.
        assert reloaded.alerts[alert_id] == document or document["message"].startswith("(rule ")


def test_an_alert_whose_rule_left_keeps_its_words(tmp_path: Path) -> None:
    line = Line(tmp_path / "a", BASE)
    line.feed("Access denied", "Access denied", "Access denied")
    line.wait(5)
    line.reload(CHANGES["left"])
    line.wait(1)
    assert line.titles() == ["Three cards refused at a door"]


@pytest.mark.parametrize("change", ["reload", "restart"])
@pytest.mark.parametrize("rules", [CHANGES["another rule"], CHANGES["wording"], BASE])
def test_what_an_unchanged_correlation_has_seen_counts_on(tmp_path: Path, change: str, rules: str) -> None:
    line = Line(tmp_path / "a", BASE)
    line.feed("Access denied", "Access denied")
    getattr(line, change)(rules)
    line.feed("Access denied")
    line.wait(10)
    assert len([title for title in line.titles() if "cards refused" in title]) == 1


@pytest.mark.parametrize("change", ["reload", "restart"])
@pytest.mark.parametrize("rules", [BASE.replace("60s", "61s"), CHANGES["the rule it counts"]])
def test_what_a_changed_correlation_had_seen_is_forgotten(tmp_path: Path, change: str, rules: str) -> None:
    line = Line(tmp_path / "a", BASE)
    line.feed("Access denied", "Access denied", "Access granted", "Access granted")
    getattr(line, change)(rules)
    line.feed("Access denied", "Access granted")
    line.wait(10)
    assert line.titles() == []
    line.feed("Access denied", "Access denied", "Access granted", "Access granted")
    line.wait(10)
    assert line.titles() == ["Three cards refused at a door"]
    # Going back to the first meaning does not find what was dropped under it.
    getattr(line, change)(BASE)
    line.feed("Access denied")
    line.wait(10)
    assert line.titles() == ["Three cards refused at a door"]


@pytest.mark.parametrize("change", ["reload", "restart"])
def test_an_open_episode_goes_on_and_closes(tmp_path: Path, change: str) -> None:
    line = Line(tmp_path / "a", BASE)
    line.feed("Access denied", "Access denied", "Access denied")
    line.wait(5)
    (alert_id,) = line.alerts
    getattr(line, change)(CHANGES["another rule"])
    line.feed("Access denied")
    line.wait(5)
    assert list(line.alerts) == [alert_id]
    assert line.alerts[alert_id]["convergence"]["alert"]["count"] == 2
    line.wait(200)
    assert line.alerts[alert_id]["convergence"]["alert"]["status"] == "closed"


@pytest.mark.parametrize("change", ["reload", "restart"])
def test_a_new_correlation_does_not_take_what_it_never_saw_for_missing(tmp_path: Path, change: str) -> None:
    line = Line(tmp_path / "a", BASE)
    line.feed("Access denied", *["Access granted"] * 70, "Access denied")
    getattr(line, change)(BASE + NOT_INSIDE)
    line.feed("Forced door")
    line.wait(10)
    assert line.titles() == []
    line.feed(*["Access granted"] * 70, "Forced door")
    line.wait(10)
    assert line.titles() == ["Door forced while nobody was inside"]


@pytest.mark.parametrize("change", ["reload", "restart"])
@pytest.mark.parametrize("rules", [CHANGES["left"], CHANGES["threshold"]], ids=["left", "changed"])
def test_an_open_episode_of_a_rule_that_left_or_changed_is_closed(tmp_path: Path, change: str, rules: str) -> None:
    line = Line(tmp_path / "a", BASE)
    line.feed("Access denied", "Access denied", "Access denied")
    line.wait(5)
    (alert,) = line.alerts.values()
    assert alert["convergence"]["alert"]["status"] == "active"
    getattr(line, change)(rules)
    line.wait(1)
    (alert,) = line.alerts.values()
    assert alert["convergence"]["alert"]["status"] == "closed"
    assert alert["event"]["reason"] == "the rule left or changed while this went on"


def test_each_alert_names_the_rules_that_decided_it(tmp_path: Path) -> None:
    line = Line(tmp_path / "a", BASE)
    first = line.parts.ruleset.bundle_hash
    line.feed("Forced door")
    (before,) = line.alerts
    line.reload(FORCED + FORCED_TOO)
    line.feed("Forced door")
    bundles = {alert_id: document["convergence"]["bundle"] for alert_id, document in line.alerts.items()}
    assert len(bundles) == 3
    assert bundles.pop(before) == first
    assert first not in bundles.values()
    assert len(set(bundles.values())) == 1


def _reloading(settings: Settings, parts: Assembly) -> RuleReload[Stages]:
    async def adopt(stages: Stages) -> None:
        parts.driver.adopt(stages)

    return RuleReload(
        settings,
        parts.ruleset,
        load=read_rules,
        build=parts.build,
        adopt=adopt,
        clock=SteppedClock(START_NS),
        metrics=EngineMetrics().rules,
    )


@pytest.mark.parametrize("content", ["title: [\n", "- a\n", None])
async def test_whatever_is_wrong_with_new_rules_those_in_use_go_on(tmp_path: Path, content: str | None) -> None:
    line = Line(tmp_path / "a", BASE)
    reloading = _reloading(line._settings, line.parts)
    path = tmp_path / "a" / "rules.yml"
    path.unlink() if content is None else path.write_text(content)
    await reloading.reload()
    assert reloading.refused is not None
    assert reloading.active is line.parts.ruleset
    line.feed("Forced door")
    assert line.titles() == ["Door forced"]


async def test_rules_that_change_while_they_are_read_are_read_again(tmp_path: Path) -> None:
    """Half of what is being written must not take over: nothing would be detected until the next look."""
    line = Line(tmp_path / "a", BASE)
    reloading = _reloading(line._settings, line.parts)
    path = tmp_path / "a" / "rules.yml"

    def load(settings: Settings) -> RuleSet:
        ruleset = read_rules(settings)
        path.write_text(BASE + FORCED_TOO)
        return ruleset

    path.write_text(REFUSED)
    reloading._load = load
    await reloading.reload()
    assert reloading.active is line.parts.ruleset
    assert reloading._asked.is_set()
    reloading._load = read_rules
    await reloading.reload()
    assert len(reloading.active.rules) == 3


async def test_rules_of_which_none_is_left_are_refused(tmp_path: Path) -> None:
    line = Line(tmp_path / "a", BASE)
    reloading = _reloading(line._settings, line.parts)
    (tmp_path / "a" / "rules.yml").write_text("")
    await reloading.reload()
    assert reloading.refused is not None
    assert "there is no rule" in reloading.refused["report"][0]
    assert reloading.active is line.parts.ruleset


def test_a_filter_that_expires_while_the_engine_runs_says_so_once(tmp_path: Path) -> None:
    """It filters by the events' own time, and nobody restarts an engine to learn that."""
    narrow = "title: no gates\nlogsource: {}\nexpires: 2027-01-15T08:01:00Z\nticket: CHG-7\n"
    narrow += "filter: {rules: [forced], s: {physical.portal.id: gate}, condition: not s}\n"
    clock = SteppedClock(START_NS)  # 2027-01-15T08:00:00Z
    engine = EmbeddedEngine(load_settings(settings_of(tmp_path, BASE + narrow)), clock)
    told = list[list[str]]()
    for seconds in (30, 60, 90):
        clock.set(START_NS + seconds * SECOND)
        with capture_logs() as logs:
            engine.look_at_filters()
        told.append([str(log["what"]) for log in logs])
    engine.parts.close()
    assert told == [[], ["expired on 2027-01-15T08:01:00Z and no longer filters 1 rule"], []]


def test_a_refused_bundle_is_reported_whole(tmp_path: Path) -> None:
    line = Line(tmp_path / "a", BASE)
    reloading = _reloading(line._settings, line.parts)
    (tmp_path / "a" / "rules.yml").write_text(BASE.replace("gte", "gtee") + FORCED.replace("condition", "conditon"))
    asyncio.run(reloading.reload())
    assert reloading.refused is not None
    assert reloading.refused["faults"] == len(reloading.refused["report"]) == 2
    assert reloading.active.bundle_hash == line.parts.ruleset.bundle_hash
    with pytest.raises(SettingsError, match="gtee"):
        read_rules(line._settings)
