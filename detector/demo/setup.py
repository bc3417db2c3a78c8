"""The demo plant's folder: settings and tables copied to where the engine may write."""

from __future__ import annotations

import shutil
from pathlib import Path

from detector.demo.script import PLANT
from detector.settings import Settings, load_settings


def lay_out(folder: Path) -> tuple[Settings, Path]:
    """Copy the plant into a folder.

    Args:
        folder: Empty or absent.

    Returns:
        The settings, and the inbox of its file inputs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(PLANT / "context", folder / "context", dirs_exist_ok=True)
    shutil.copy(PLANT / "isthmus.yml", folder / "isthmus.yml")
    inbox = folder / "inbox"
    for name in ("onguard", "hr"):
        (inbox / name).mkdir(parents=True, exist_ok=True)
    (inbox / "conn.log").touch()
    return load_settings(folder / "isthmus.yml"), inbox
