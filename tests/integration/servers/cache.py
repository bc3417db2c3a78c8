"""Where fetched servers are kept, and what happens when one cannot be had."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest


def need(*programs: str) -> None:
    """Skip loudly when a program is missing; with ISTHMUS_REQUIRE_SERVERS=1 fail instead."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        absent(f"{' and '.join(missing)} not found; install a JDK 17 or newer and Maven")


def absent(reason: str) -> NoReturn:
    """Skip loudly; with ISTHMUS_REQUIRE_SERVERS=1 fail instead."""
    if os.environ.get("ISTHMUS_REQUIRE_SERVERS") == "1":
        pytest.fail(f"SERVER ABSENT: {reason}")
    pytest.skip(f"SERVER ABSENT: {reason}")


def fetched(name: str, fetch: Callable[[Path], None]) -> Path:
    """Return the folder of a server, fetched on first use; test runs that start together fetch it once.

    Args:
        name: Product and version.
        fetch: Fills an empty folder; what it leaves behind when it fails is thrown away.
    """
    cache = Path(os.environ.get("ISTHMUS_SERVERS") or Path.home() / ".cache" / "isthmus-servers")
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / name
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            partial = cache / f"{name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            fetch(partial)
            partial.rename(folder)
    return folder
