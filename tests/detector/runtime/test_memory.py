"""What `first_seen` remembers and since when it learns, in an engine whose rules change and that is started anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.detector.runtime.changing_rules import FORCED_TOO
from tests.detector.runtime.test_reload import Line

ANY = """
title: Anything at a door
name: at_a_door
logsource: {category: physical_access}
detection: {s: {physical.portal.id|exists: true}, condition: s}
---
"""
NEW = """
title: Something new at a door
name: new_at_a_door
correlation:
  type: first_seen
  rules: [at_a_door]
  group-by: [physical.portal.id]
  field: event.action
  learn: 5s
  horizon: 1h
---
"""
RULES = ANY + NEW


@pytest.mark.parametrize("change", ["reload", "restart"])
@pytest.mark.parametrize("rules", [RULES, RULES.replace("Something new", "News"), RULES + FORCED_TOO])
def test_it_goes_on_while_its_meaning_stays(tmp_path: Path, change: str, rules: str) -> None:
    line = Line(tmp_path / "a", RULES)
    line.feed("Access denied", "Access denied", "Access denied")
    getattr(line, change)(rules)
    line.feed("Access denied", "Access granted", "Access denied", "Access denied", "Door held open", "Access denied")
    line.wait(10)
    raised = [each for each in line.alerts.values() if each["rule"]["id"] == "new_at_a_door"]
    assert [each["convergence"]["first_seen"]["value"] for each in raised] == [["door-held"]]
    assert raised[0]["event"]["reason"].startswith("event.action door-held not seen before")


@pytest.mark.parametrize("change", ["reload", "restart"])
def test_it_learns_anew_once_its_meaning_changed(tmp_path: Path, change: str) -> None:
    line = Line(tmp_path / "a", RULES)
    line.feed(*["Access denied"] * 8)
    getattr(line, change)(RULES.replace("horizon: 1h", "horizon: 2h"))
    line.feed("Access denied", "Access granted", "Access denied")
    line.wait(10)
    assert line.alerts == {}
    line.feed("Access granted", "Access denied", "Forced door")
    line.wait(10)
    raised = [each["convergence"]["first_seen"]["value"] for each in line.alerts.values()]
    assert raised == [["door-forced"]]
