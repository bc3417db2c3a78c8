"""Normalizers on real records that others published."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from connectors.framing.cut import FrameOptions, cut_file
from normalizers.errors import NormalizerError
from tests.normalizers.test_records import normalized
from tests.shared import unpacked

LOGS = {"modbus.log": "zeek.modbus", "modbus_detailed.log": "zeek.modbus", "s7comm.log": "zeek.s7comm"}


_ENDS = ["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"]
HEADERS = {
    8: [*_ENDS, "func", "exception"],
    18: [
        *_ENDS,
        "is_orig",
        "source_h",
        "source_p",
        "destination_h",
        "destination_p",
        "tid",
        "unit",
        "func",
        "request_response",
        "address",
        "quantity",
        "values",
    ],
    16: [
        *_ENDS,
        "tid",
        "unit",
        "func",
        "address",
        "quantity",
        "request_values",
        "response_values",
        "modbus_detailed_link_id",
        "matched",
        "more",
    ],
}
"""Some baselines leave the header out."""


def _rows(path: Path) -> Iterator[bytes]:
    # The baselines mask the time column, and begin with a line that is no Zeek header.
    text = path.read_text().replace("XXXXXXXXXX.XXXXXX", "1747398906.110000")
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("###")]
    if not any(line.startswith("#fields") for line in lines):
        width = len(lines[0].split("\t"))
        lines.insert(0, "\t".join(["#fields", *HEADERS[width]]) + "\n")
    clean = path.with_suffix(".clean")
    clean.write_text("".join(lines))
    with clean.open("rb") as data:
        yield from (cut.value for cut in cut_file(data, FrameOptions(framing="zeek_tsv")))


def _members(path: Path) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                yield from archive.read(name).splitlines()[:5_000]


def test_icsnpp_rows_all_become_events(tmp_path: Path) -> None:
    root = unpacked("icsnpp", tmp_path)
    counts = dict.fromkeys(LOGS, 0)
    for name, dataset in LOGS.items():
        for path in sorted(root.rglob(name)):
            for row in _rows(path):
                events = normalized(dataset, row)
                assert len(events) == 1
                assert events[0].fields["ot.function.class"]
                counts[name] += 1
    assert all(counts.values()), counts


def test_unifi_events_are_all_understood(tmp_path: Path) -> None:
    root = unpacked("unifi_protect", tmp_path)
    path = next(root.rglob("sample_raw_events.json"))
    events = json.loads(path.read_text())
    actions = {
        event.fields["event.action"]
        for raw in events
        for event in normalized("unifi.protect", json.dumps(raw).encode())
    }
    assert len(events) > 1_000
    assert {"camera-offline", "motion-detected", "person-detected"} <= actions


def test_attack_recordings_of_windows_are_understood(tmp_path: Path) -> None:
    root = unpacked("otrf_security_datasets", tmp_path)
    datasets = {"Security": "windows.security", "System": "windows.system"}
    read = refused = 0
    for path in sorted(root.rglob("*.zip")):
        for line in _members(path):
            try:
                row = json.loads(line)
            except ValueError:
                continue
            channel = row.get("Channel") if isinstance(row, dict) else None
            dataset = "windows.sysmon" if channel and "Sysmon" in str(channel) else datasets.get(str(channel))
            if dataset is None:
                continue
            try:
                read += len(normalized(dataset, line))
            except NormalizerError:
                refused += 1
    assert read > 100
    assert refused == 0
