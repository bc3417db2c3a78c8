"""Options that several commands share, and how they show what others wrote."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from detector.errors import RuleFault
from detector.rules.placeholders import ListedValue, read_lists
from detector.settings import CacheSettings, Settings

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


epochs_option = click.option(
    "--epochs",
    type=click.Path(path_type=Path),
    help="What `isthmus clock epochs` wrote: events are dated by the clocks as they are known afterwards.",
)


no_cache_option = click.option(
    "--no-cache", "no_cache", is_flag=True, help="Compile every rule, and keep nothing in the user's cache folder."
)


def without_cache(settings: Settings) -> Settings:
    """Return settings that keep nothing of what rules compile to."""
    return msgspec.structs.replace(settings, rules_cache=CacheSettings(enabled=False))


def read_placeholders(path: Path | None, faults: list[RuleFault]) -> dict[str, tuple[ListedValue, ...]]:
    """Return the lists of `--placeholders`; none without a file."""
    return read_lists(path, faults) if path is not None else {}


raw_option = click.option(
    "--raw", type=click.Path(path_type=Path), help="Raw log to read; default raw.db of the data folder."
)


def raw_log(settings: Settings, raw: Path | None) -> Path:
    """Return the raw log that `--raw` names, else that of the embedded engine.

    Raises:
        UsageError: There is none; says where one comes from.
    """
    path = raw or settings.data_dir / "raw.db"
    if not path.exists():
        remedy = "; of a cluster, replay the source's records (isthmus replay --data) and name that raw.db with --raw"
        raise click.UsageError(f"{path}: does not exist{remedy if settings.kafka is not None else ''}")
    return path


def shown(text: str) -> str:
    """Return text without what would steer the terminal: whoever sent it may be hostile."""
    return "".join(each if each.isprintable() or each in "\n\t" else ascii(each)[1:-1] for each in text)
