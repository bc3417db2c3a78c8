"""Pages that show commands with their output are run, and must be right."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from detector.__main__ import main

PAGES = [Path(__file__).resolve().parents[1] / "docs" / "how-to" / "why-did-it-not-match.md"]
_FILE = re.compile(r"^```(?:yaml|json) (?P<name>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^```console\n\$ isthmus (?P<command>.*?)\n(?P<output>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_a_page_shows_what_its_commands_print(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page.read_text(encoding="utf-8")
    for file in _FILE.finditer(text):
        (tmp_path / file["name"]).write_text(file["text"])
    monkeypatch.chdir(tmp_path)
    commands = list(_COMMAND.finditer(text))
    assert commands
    for shown in commands:
        result = CliRunner().invoke(main, shlex.split(shown["command"]))
        assert (result.exit_code, result.stdout.rstrip()) == (0, shown["output"].rstrip())
