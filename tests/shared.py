"""Real records and rules beside the project; tests that need them say so when they are absent."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


def unpacked(name: str, folder: Path) -> Path:
    """Unpack an archive of real data, or skip loudly."""
    archive = DATA / f"{name}.tar.gz"
    if not archive.exists():
        pytest.skip(f"REAL DATA ABSENT: {archive} is needed for this test")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder
