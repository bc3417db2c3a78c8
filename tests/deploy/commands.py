"""Command lines of deployments, parsed by the program itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from detector.__main__ import main
from detector.settings import Settings, build_settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def parsed(arguments: Sequence[str]) -> dict[str, Any]:
    """Return what the arguments of `isthmus` mean, without running it.

    Raises:
        click.UsageError: There is no such command or option.
    """
    command: click.Command = main
    rest, context = list(arguments), None
    while isinstance(command, click.Group):
        context = command.make_context("isthmus", rest[:1], parent=context, resilient_parsing=True)
        found = command.get_command(context, rest[0])
        if found is None:
            raise click.UsageError(f"no command {rest[0]}")
        command, rest = found, rest[1:]
    return dict(command.make_context("isthmus", rest, parent=context).params)


def settings_of(path: Path) -> Settings:
    """Return the settings of a file, as the program reads them."""
    return build_settings(yaml.safe_load(path.read_text(encoding="utf-8")), path)
