"""`isthmus rules`: the detection engineer's bench."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from detector.cli.options import no_cache_option, pipeline_option, placeholders_option, read_placeholders
from detector.errors import RuleFault, SettingsError
from detector.rules.bundled import bundled_rules
from detector.rules.cache import open_cache
from detector.rules.filters import expired_filters
from detector.rules.loader import load_rules
from detector.rules.placeholders import context_lists
from detector.runtime.clock import SystemClock
from detector.settings import Settings, load_settings


@click.group(short_help="Check rules.")
def rules() -> None:
    """Work with detection rules."""


@rules.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@pipeline_option
@placeholders_option
@click.option("-c", "--config", type=click.Path(path_type=Path), help="Settings: their rules, pipelines and lists.")
@no_cache_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def check(  # noqa: PLR0913  one a command-line option
    paths: tuple[Path, ...],
    pipelines: tuple[str, ...],
    lists: Path | None,
    config: Path | None,
    *,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Load rules and report every fault with its place; without PATHS those of the settings, else the bundled ones.

    Notes say what loads and still wants a look: filters that have expired or apply to no rule.
    Exit code 1 when there are faults.
    """
    faults = list[RuleFault]()
    try:
        settings = load_settings(config) if config is not None else Settings()
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    ruleset = load_rules(
        list(paths) or settings.rules or [bundled_rules()],
        pipelines=[*settings.pipelines, *pipelines],
        placeholders=context_lists(settings.context.folder) | read_placeholders(lists, faults),
        faults=faults,
        cache=open_cache(settings.rules_cache.folder, enabled=settings.rules_cache.enabled and not no_cache),
    )
    notes = [*ruleset.notes, *expired_filters(ruleset, SystemClock().now_ns())]
    counts = {"rules": len(ruleset.rules), "correlations": len(ruleset.correlations), "faults": len(faults)}
    if as_json:
        click.echo(msgspec.json.encode({**counts, "details": faults, "notes": notes}).decode())
    else:
        for fault in faults:
            click.echo(str(fault))
        for note in notes:
            click.echo(f"note: {note}")
        click.echo(f"{counts['rules']} rules, {counts['correlations']} correlations, {counts['faults']} faults")
    sys.exit(1 if faults else 0)
