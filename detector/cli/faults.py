"""Faults on the terminal: each with its place, then how many."""

from __future__ import annotations

from collections.abc import Sequence

import click


def report_faults(faults: Sequence[object]) -> None:
    """Print faults on standard error; nothing when there are none."""
    for fault in faults:
        click.echo(str(fault), err=True)
    if faults:
        click.echo(f"{len(faults)} fault{'s' if len(faults) > 1 else ''}", err=True)
