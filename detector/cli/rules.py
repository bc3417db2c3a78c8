"""`isthmus rules`: the detection engineer's bench."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from detector.errors import RuleFault
from detector.rules.bundled import bundled_rules
from detector.rules.loader import load_rules


@click.group(short_help="Check rules.")
def rules() -> None:
    """Work with detection rules."""


@rules.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--pipeline", "pipelines", multiple=True, type=click.Path(path_type=Path), help="pySigma pipeline.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def check(paths: tuple[Path, ...], pipelines: tuple[Path, ...], *, as_json: bool) -> None:
    """Load rules and report every fault with its place; without PATHS the bundled rules.

    Exit code 1 when there are faults.
    """
    faults = list[RuleFault]()
    ruleset = load_rules(list(paths) or [bundled_rules()], pipelines=list(pipelines), faults=faults)
    counts = {"rules": len(ruleset.rules), "correlations": len(ruleset.correlations), "faults": len(faults)}
    if as_json:
        click.echo(msgspec.json.encode({**counts, "details": faults}).decode())
    else:
        for fault in faults:
            click.echo(str(fault))
        click.echo(f"{counts['rules']} rules, {counts['correlations']} correlations, {counts['faults']} faults")
    sys.exit(1 if faults else 0)
