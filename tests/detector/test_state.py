"""State that an earlier version wrote is gone on with, and a layout does not change unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import StateError
from detector.runtime.embedded.replaying import replay
from detector.runtime.embedded.store import EngineStore
from detector.stateversion import OLDEST, VERSION, opened, sealed
from tests.detector.runtime.kafka.test_bundles import recorded, settings_of
from tests.detector.statesamples import Samples, load, rewritten, samples

STAGES = ("sense", "correlate", "group", "presence")
FROZEN = Path(__file__).parents[1] / "data" / "detector" / "state"


def frozen(version: int) -> Samples:
    return load(FROZEN / f"v{version}.json")


def test_a_layout_changes_with_its_version_only() -> None:
    """If this fails, a field came, went or moved: raise `VERSION`, and freeze what it writes (statesamples.py)."""
    assert samples() == frozen(VERSION)


@pytest.mark.parametrize("version", range(OLDEST, VERSION + 1))
def test_every_version_is_read_and_written_as_the_present_one(version: int) -> None:
    now = frozen(VERSION)
    before = frozen(version)
    assert {value[0] for _, value in before.values()} == {version}
    again = {kind: (key, rewritten(kind, key, value)) for kind, (key, value) in before.items()}
    assert again == {kind: now[kind] for kind in before}


@pytest.mark.parametrize("kind", sorted(load(FROZEN / f"v{VERSION}.json")))
def test_a_newer_version_is_refused(kind: str) -> None:
    key, value = frozen(VERSION)[kind]
    with pytest.raises(StateError, match=rf"version {VERSION + 1}, this program reads versions {OLDEST} to {VERSION}"):
        rewritten(kind, key, bytes([VERSION + 1]) + value[1:])


def test_there_is_a_sample_of_every_kind_that_an_engine_stores(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    replay(settings, recorded(1, count=300))
    store = EngineStore(settings.data_dir / "engine.db")
    stored = [(stage, key) for stage in STAGES for partition in range(4) for key, _ in store.state(stage, partition)]
    store.close()
    assert len({stage for stage, _ in stored}) >= 3
    assert {_kind(*each) for each in stored} <= {_kind(kind.split()[0], key) for kind, (key, _) in samples().items()}


def _kind(stage: str, key: bytes) -> str:
    """Return the part of a key that tells how its value is read."""
    if stage in {"group", "presence"}:
        return stage
    if stage == "level":
        return f"level {key[:1].decode()}"
    if key[:1].isdigit():
        return f"level {key.partition(bytes([0x1F]))[2][:1].decode()}"
    return f"{stage} {key[: 2 if key[:1] == b'c' else 1].decode()}"


def test_what_is_no_record_of_state_is_refused() -> None:
    assert opened("it", sealed(b"x")) == b"x"
    for record in (b"", b"\x00x"):
        with pytest.raises(StateError, match="it is of unknown version 0"):
            opened("it", record)
