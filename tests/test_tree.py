"""The tree keeps its own rules."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("connectors", "normalizers", "detector", "benchmarks", "tests")
MAX_LINES = {"tests": 500}


def _modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_files_stay_short() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in _modules()}
    assert not {name: lines for name, lines in long.items() if lines > MAX_LINES.get(name.split("/")[0], 400)}


def test_every_folder_is_a_package() -> None:
    folders = {path.parent for path in _modules()}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_every_module_says_what_it_is() -> None:
    assert [str(path) for path in _modules() if not path.read_text().startswith(('"""', 'r"""'))] == []


def test_nothing_deserialises_or_runs_what_came_from_outside() -> None:
    forbidden = ("import pickle", "eval(", "exec(", "shell=True", "yaml.load(")
    found = [
        (str(path.relative_to(ROOT)), word)
        for path in _modules()
        if path.relative_to(ROOT).parts[0] != "tests"
        for word in forbidden
        if any(line.strip().startswith(word) or f" {word}" in line for line in path.read_text().splitlines())
    ]
    assert found == []
