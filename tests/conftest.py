"""What every test starts from."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep compiled rules in a folder of the test run's own, also those of processes that tests start."""
    patch = pytest.MonkeyPatch()
    folder: Path = tmp_path_factory.mktemp("cache")
    patch.setenv("XDG_CACHE_HOME", str(folder))


@pytest.fixture(autouse=True, scope="session")
def _page_width() -> None:
    """Wrap output alike wherever tests run: processes of a parallel run have a terminal of their own."""
    pytest.MonkeyPatch().setenv("COLUMNS", "100")
