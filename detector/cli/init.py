"""`isthmus init`: the files to start from."""

from __future__ import annotations

from pathlib import Path

import click

from normalizers.context.columns import TABLES

_TEMPLATES = Path(__file__).parent / "templates"


@click.command(short_help="Write settings and context tables to start from.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
def init(folder: Path) -> None:
    """Write a commented isthmus.yml and the headers of all context tables into FOLDER.

    Files that exist are left alone.
    """
    files = {folder / "isthmus.yml": (_TEMPLATES / "isthmus.yml").read_text(encoding="utf-8")}
    for name, table in TABLES.items():
        files[folder / "context" / f"{name}.csv"] = ",".join(table.columns) + "\n"
    for path, content in files.items():
        if path.exists():
            click.echo(f"kept     {path}")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        click.echo(f"written  {path}")
    click.echo(f"\nNext: isthmus inspect YOUR_RECORDS, then isthmus run -c {folder / 'isthmus.yml'}")
