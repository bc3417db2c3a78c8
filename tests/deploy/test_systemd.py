"""deploy/systemd, as systemd reads it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.commands import DEPLOY, parsed

UNITS = sorted((DEPLOY / "systemd").iterdir())


@pytest.mark.parametrize("unit", UNITS, ids=[unit.name for unit in UNITS])
def test_a_unit_runs_a_command_that_exists(unit: Path) -> None:
    """Not as root, and with restarts without end: what cannot start now can after the brokers are back."""
    text = unit.read_text()
    (command,) = re.findall(r"^ExecStart=/opt/isthmus/\.venv/bin/isthmus (.+)$", text, re.MULTILINE)
    assert parsed(command.split())["config"] == Path("/etc/isthmus/isthmus.yml")
    for line in (
        "User=isthmus",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
    ):
        assert f"\n{line}\n" in text


@pytest.mark.parametrize("unit", UNITS, ids=[unit.name for unit in UNITS])
def test_systemd_understands_every_line(unit: Path, tmp_path: Path) -> None:
    """Misspelt settings are only warned of, and then do nothing."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("PROGRAM ABSENT: systemd-analyze is needed to verify units")
    copy = tmp_path / unit.name.replace("@", "@1")
    copy.write_text(unit.read_text().replace("/opt/isthmus/.venv/bin/isthmus", "/bin/true"))
    done = subprocess.run([analyze, "verify", str(copy)], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    assert str(copy) not in done.stderr
    assert copy.name not in done.stderr
