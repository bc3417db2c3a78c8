"""A flood of sources that speak once each: what is kept is bounded, and named sources stay. In full: bench_sources."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.bench_sources import flood
from detector.runtime.embedded import rawlog
from detector.runtime.stages import clocks, silence

COUNT = 1_000_000 if os.environ.get("ISTHMUS_LONG") else 2_000


def test_what_is_kept_of_a_flood_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if COUNT < 1_000_000:
        # The same bounds, far lower.
        monkeypatch.setattr(silence, "MAX_SOURCES", 300)
        monkeypatch.setattr(clocks, "MAX_CLOCKS", 100)
        monkeypatch.setattr(rawlog, "MAX_RECEIVED", 300)
    found = flood(COUNT, tmp_path)
    assert found.kept["heard"] == 2 * silence.MAX_SOURCES
    assert found.kept["clocks"] <= 2 * 3 * clocks.MAX_CLOCKS
    assert found.state_mb < 2 * (silence.MAX_SOURCES * 150 + clocks.MAX_CLOCKS * 12_000) / 1e6
    assert found.grown_mb < 400
