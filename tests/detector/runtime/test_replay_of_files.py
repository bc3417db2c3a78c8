"""Records that no engine has taken in yet: what the engine notices of them comes back in, at times they determine."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.record import RawRecord, hashed_id
from detector.__main__ import main
from detector.rules.bundled import bundled_rules
from detector.runtime.embedded.replaying import replay
from detector.settings import Settings, SourceSettings
from detector.task import Record

SECOND = 10**9
START_S = 1_792_450_000
SOURCES = "abc"
RULES = """
title: conn
name: conn
logsource: {product: zeek, service: conn}
detection: {s: {destination.port: 80}, condition: s}
---
title: other
name: other
logsource: {product: zeek, service: conn}
detection: {s: {destination.port: 22}, condition: s}
---
title: new
name: new
taxonomy: isthmus
correlation: {type: first_seen, rules: [conn], group-by: [source.ip], field: destination.ip, learn: 60s, horizon: 1d}
---
title: none open
name: none_open
taxonomy: isthmus
correlation: {type: during, trigger: other, open: [conn], count: {lt: 1}, max_age: 90s, group-by: [source.ip]}
---
title: silent
name: silent
logsource: {category: engine, product: isthmus}
detection: {s: {event.action: [source-silent, source-restored]}, condition: s}
---
title: speaks after silence
name: speaks_after_silence
correlation:
  {type: temporal_ordered, rules: [silent, conn], group-by: [convergence.feed.id], timespan: 5m}
---
title: silent twice
name: silent_twice
correlation:
  {type: event_count, rules: [silent], group-by: [convergence.feed.id], timespan: 10m, condition: {gte: 2}}
"""


def _record(source: str, second: float, host: int, port: int) -> Record:
    ready_ns = START_S * SECOND + int(second * SECOND)
    line = {"ts": ready_ns / 1e9, "id.orig_h": "10.0.0.1", "id.resp_h": f"10.0.1.{host}", "id.resp_p": port}
    value = json.dumps(line).encode()
    return Record(RawRecord(hashed_id(source, ready_ns), source, "zeek.conn", ready_ns, value), ready_ns)


def _settings(folder: Path) -> Settings:
    (folder / "rules.yml").write_text(RULES.lstrip())
    sources = {source: SourceSettings(dataset="zeek.conn", expectation=60 * SECOND) for source in SOURCES}  # type: ignore[arg-type]  # as read
    return Settings(rules=[folder / "rules.yml"], sources=sources, durable=False)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(SOURCES), st.sampled_from([0, 1, 30, 61, 200]), st.integers(0, 2), st.sampled_from([80, 22])
    ),
    min_size=1,
    max_size=40,
)


@given(STEPS, st.integers(1, 4), st.integers(1, 50), st.permutations(SOURCES))
@settings(max_examples=15, deadline=None)
def test_batches_partitions_and_interleaving_change_nothing(
    steps: list[tuple[str, int, int, int]], partitions: int, batch: int, order: list[str]
) -> None:
    """Records of different sources that came at one instant may stand in any order in the log."""
    second = dict.fromkeys(SOURCES, 0.0)
    records = list[Record]()
    for source, gap_s, host, port in steps:
        second[source] += gap_s + 0.001
        records.append(_record(source, second[source], host, port))
    found = []
    for ways, size, turn in ((1, 2_000, list(SOURCES)), (partitions, batch, order)):
        with TemporaryDirectory() as folder:
            chosen = msgspec.structs.replace(
                _settings(Path(folder)), data_dir=Path(folder) / "data", raw_partitions=ways
            )
            merged = sorted(records, key=lambda each: (each.ready_ns, turn.index(each.record.source)))
            done = replay(chosen, merged, batch=size, feeds_back=True)
            assert done.records == len(records)
            found.append({key: _said(alert.document) for key, alert in done.alerts.items()})
    assert found[0] == found[1]


def _said(document: dict[str, object]) -> str:
    """Return what an alert says, but for the numbers of its revisions."""
    convergence = document["convergence"]
    assert isinstance(convergence, dict)
    return json.dumps([document["message"], document["@timestamp"], convergence["evidence_ids"]])


@pytest.mark.parametrize(("given", "told"), [(["a"], {"a"}), (["a", "b"], {"a", "b"})])
def test_files_tell_of_silence_within_them_and_of_sources_that_are_given(
    tmp_path: Path, given: list[str], told: set[str]
) -> None:
    """Each source is silent once, from 60 s on, and the files end before it would be told again."""
    rules = bundled_rules() / "isthmus" / "engine"
    (tmp_path / "isthmus.yml").write_text(
        f"rules: [{rules}]\nsources:\n"
        + "".join(f"  {source}: {{dataset: zeek.conn, site: s, expectation: 60s}}\n" for source in SOURCES)
    )
    for source in given:
        lines = [_record(source, second, 0, 80).record.value for second in (0, 50, 700, 1_800)]
        (tmp_path / f"{source}.ndjson").write_bytes(b"\n".join(lines))
    inputs = [f"{source}={tmp_path / source}.ndjson" for source in given]
    done = CliRunner().invoke(main, ["replay", "-c", str(tmp_path / "isthmus.yml"), *inputs])
    assert done.exit_code == 0, done.output
    alerts = [line for line in done.output.splitlines() if "CV-901" in line]
    assert len(alerts) == len(told)
    assert all(any(f"{source} at s has said nothing since" in line for line in alerts) for source in told)
    assert f"{4 * len(given)} records" in done.output
