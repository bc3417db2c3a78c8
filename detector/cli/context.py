"""`isthmus context`: what the engine knows of people, assets and places."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from normalizers.context.tables import read_context


@click.group(short_help="Check context tables.")
def context() -> None:
    """Work with context tables."""


@context.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def check(folder: Path, *, as_json: bool) -> None:
    """Read every table of FOLDER and report every fault with file, row and column.

    Exit code 1 when there are faults.
    """
    rows, faults = read_context(folder)
    counts = {name: len(read) for name, read in sorted(rows.items())}
    if as_json:
        click.echo(msgspec.json.encode({"rows": counts, "faults": faults}).decode())
    else:
        for fault in faults:
            click.echo(str(fault))
        for name, count in counts.items():
            click.echo(f"{name:<12} {count:>6} rows")
        click.echo(f"{len(faults)} fault{'' if len(faults) == 1 else 's'}")
    sys.exit(1 if faults else 0)
