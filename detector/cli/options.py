"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

from detector.errors import RuleFault
from detector.rules.placeholders import ListedValue, read_lists

config_option = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    default=Path("isthmus.yml"),
    show_default=True,
    help="Settings file; write one with `isthmus init`.",
)

pipeline_option = click.option(
    "--pipeline",
    "pipelines",
    multiple=True,
    help="Processing pipeline: a file or folder, a bundled one's name such as windows, or an installed pySigma"
    " plugin's; repeat for several.",
)

placeholders_option = click.option(
    "--placeholders",
    "lists",
    type=click.Path(path_type=Path),
    help="YAML file of lists for |expand: `name: [value, value]`.",
)


def read_placeholders(path: Path | None, faults: list[RuleFault]) -> dict[str, tuple[ListedValue, ...]]:
    """Return the lists of `--placeholders`; none without a file."""
    return read_lists(path, faults) if path is not None else {}
