"""Rules against published events, and what one rule must not do to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from detector.engine import Engine
from detector.errors import RuleFault
from detector.rules.loader import load_rules
from detector.rules.model import LogSource
from tests.rules.windows_events import events_in, flat_event
from tests.shared import unpacked


def _engine(detection: dict[str, Any]) -> Engine:
    return Engine(load_rules(yaml.safe_dump({"title": "t", "logsource": {"product": "p"}, "detection": detection})))


def test_a_rule_is_skipped_only_on_a_contradiction() -> None:
    engine = _engine({"s": {"f": "a"}, "condition": "s"})
    assert engine.match({"f": "a"}, {"product": "p", "service": "x"})
    assert engine.match({"f": "a"}, LogSource(category="c"))
    assert not engine.match({"f": "a"}, {"product": "other"})


def test_a_failing_rule_stops_no_other() -> None:
    text = "title: a\nname: a\nlogsource: {product: p}\ndetection: {s: {f|contains: x}, condition: s}\n"
    engine = Engine(load_rules([text, text.replace("name: a", "name: b").replace("f|", "g|")]))

    class Hostile(int):
        __slots__ = ()

        def __str__(self) -> str:
            raise RuntimeError("hostile")

    assert [match.rule_id for match in engine.match({"f": Hostile(1), "g": "x"})] == ["b"]


def test_published_events_are_matched_by_their_rules(tmp_path: Path) -> None:
    root = unpacked("sigma_regression", tmp_path) / "sigma_regression"
    engine = Engine(load_rules([path for path in root.iterdir() if path.is_dir() and path.name != "regression_data"]))
    missed = list[str]()
    tried = 0
    for path in sorted(root.glob("regression_data/**/*.json")):
        info = msgspec.yaml.decode((path.parent / "info.yml").read_bytes())
        wanted = {each["id"] for each in info["rule_metadata"]} & set(engine.ruleset.rules)
        hits = set[str]()
        for event in events_in(path.read_text()):
            hits |= {match.rule_id for match in engine.match({**event, **flat_event(event)})}
        tried += bool(wanted)
        if wanted - hits:
            missed.append(path.name)
    assert tried >= 200
    assert missed == []


UNFILLED = {
    "win_security_adcs_certighost_cdc_chase_request.yml": "known_cdcs",
    "win_security_adcs_certighost_cert_issued_via_chase.yml": "known_cdcs",
}
"""Public rules that hold a placeholder, which a user has to fill: the only ones that do not load."""


def test_the_whole_public_tree_loads_without_a_fault_that_is_not_one(tmp_path: Path) -> None:
    """Rules, emerging threats and threat hunting; the archive has neither deprecated nor unsupported ones."""
    root = unpacked("sigmahq_rules", tmp_path) / "sigmahq"
    faults = list[RuleFault]()
    ruleset = load_rules(root, faults=faults)
    assert {Path(fault.path).name: fault.what.split("%")[1] for fault in faults} == UNFILLED
    assert len(ruleset.rules) == 3_754 - len(UNFILLED)
