"""What every test starts from."""

from __future__ import annotations

from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling


class ServersTogether(LoadScopeScheduling):  # type: ignore[misc]  # untyped
    """Gives tests of servers to one process: they wait while another computes, and start each server once."""

    def _split_scope(self, nodeid: str) -> str:
        return "servers" if nodeid.startswith("tests/integration/") else nodeid


@pytest.hookimpl
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ServersTogether:
    """Distribute the tests of a parallel run."""
    return ServersTogether(config, log)


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
