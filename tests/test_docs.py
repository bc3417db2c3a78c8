"""The documentation says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sigma.collection import SigmaCollection

from detector.__main__ import COMMANDS
from detector.reference import pages

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "rules").rglob("*.md")])


@pytest.mark.parametrize("name", sorted(pages()))
def test_reference_is_made_from_the_code(name: str) -> None:
    written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert written == pages()[name], "run: python -m detector.reference docs/reference"


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page}: {target}"


def test_every_command_is_shown_in_some_page() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in COMMANDS if f"isthmus {name}" not in text] == []


def test_plain_sigma_rules_load_with_stock_pysigma() -> None:
    files = sorted((ROOT / "rules" / "sigma").rglob("*.yml"))
    assert len(files) >= 5
    for path in files:
        collection = SigmaCollection.from_yaml(path.read_text(encoding="utf-8"))
        assert not collection.errors
        assert collection.rules
