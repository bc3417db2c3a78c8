"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

config_option = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    default=Path("isthmus.yml"),
    show_default=True,
    help="Settings file; write one with `isthmus init`.",
)
