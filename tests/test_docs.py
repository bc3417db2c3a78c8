"""The documentation says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from sigma.collection import SigmaCollection

from detector.__main__ import COMMANDS
from detector.reference import pages
from detector.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "rules").rglob("*.md")])


@pytest.mark.parametrize("name", sorted(pages()))
def test_reference_is_made_from_the_code(name: str) -> None:
    written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert written == pages()[name], "run: python -m detector.reference docs/reference"


def test_every_section_of_the_settings_is_described() -> None:
    described = set(re.findall(r"^## (\w+)", pages()["settings.md"], re.MULTILINE))
    wanted, seen = [msgspec.inspect.type_info(Settings)], set[str]()
    while wanted:
        each = wanted.pop()
        if isinstance(each, msgspec.inspect.StructType) and each.cls.__name__ not in seen:
            seen.add(each.cls.__name__)
            wanted += [field.type for field in each.fields]
        elif isinstance(each, msgspec.inspect.UnionType):
            wanted += each.types
        elif isinstance(each, msgspec.inspect.ListType):
            wanted.append(each.item_type)
        elif isinstance(each, msgspec.inspect.DictType):
            wanted.append(each.value_type)
    assert len(seen) > 10
    assert seen - described == set()


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
