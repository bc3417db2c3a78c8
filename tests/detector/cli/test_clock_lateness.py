"""`isthmus clock` says which lateness the newest delays of a source ask for; the setting stays as it is."""

from __future__ import annotations

import json
import random
from pathlib import Path

from click.testing import CliRunner

from connectors.record import RawRecord, hashed_id
from detector.__main__ import main
from detector.runtime.embedded.replaying import replay
from detector.settings import load_settings
from detector.task import Record

NS = 10**9
START_NS = 1_792_450_000 * NS
SETTINGS = """
data_dir: data
durable: false
sources:
  site/prompt: {dataset: zeek.conn}
  site/slow: {dataset: zeek.conn}
"""


def _record(source: str, second: float, delay_s: float) -> Record:
    device_ns, ready_ns = (START_NS + int(each * NS) for each in (second, second + delay_s))
    value = json.dumps({"ts": device_ns / 1e9, "id.orig_h": "10.0.0.1", "id.resp_h": "10.0.0.2"}).encode()
    return Record(RawRecord(hashed_id(source, ready_ns), source, "zeek.conn", ready_ns, value), ready_ns)


def test_a_source_that_comes_late_is_given_a_longer_one(tmp_path: Path) -> None:
    (tmp_path / "isthmus.yml").write_text(SETTINGS)
    draw = random.Random(7)  # noqa: S311  a day, not a secret
    records = [_record("site/prompt", second, 0.02 + draw.random() / 50) for second in range(0, 90_000, 100)]
    records += [_record("site/slow", second, 0.02 + 40 * draw.random() ** 3) for second in range(0, 90_000, 100)]
    replay(load_settings(tmp_path / "isthmus.yml"), sorted(records, key=lambda each: each.ready_ns))
    shown = CliRunner().invoke(main, ["clock", "-c", str(tmp_path / "isthmus.yml"), "--format", "json"])
    known = {row["source"]: row for row in map(json.loads, shown.stdout.splitlines())}
    assert {row["lateness_ns"] for name, row in known.items() if name.startswith("site/")} == {10 * NS}
    assert known["site/prompt"]["suggested_lateness_ns"] is None
    assert 30 * NS < known["site/slow"]["suggested_lateness_ns"] < 60 * NS
    table = CliRunner().invoke(main, ["clock", "-c", str(tmp_path / "isthmus.yml")]).stdout
    (line,) = [each for each in table.splitlines() if each.startswith("site/slow")]
    assert "10 s -> " in line
