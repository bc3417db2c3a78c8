"""The contract's schema, and what was kept of versions before."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[3]
KEPT = ROOT / "tests" / "data" / "detector" / "alerting" / "contract"


def schema() -> dict[str, Any]:
    """Return the schema that subscribers are given."""
    return _read(ROOT / "docs" / "reference" / "alert.schema.json")


def schema_of(version: str) -> dict[str, Any]:
    """Return the schema as it was when a version's samples were kept."""
    return _read(KEPT / version / "alert.schema.json")


def kept_alerts(version: str) -> list[dict[str, Any]]:
    """Return the documents that were kept of a version."""
    lines = (KEPT / version / "alerts.ndjson").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def faults(document: dict[str, Any]) -> list[str]:
    """Return where a document is not as the schema says; a field that it does not describe is one, too."""
    return sorted(f"{error.json_path}: {error.message}" for error in _strict().iter_errors(document))


@cache
def _strict() -> Draft202012Validator:
    return Draft202012Validator(_closed(schema()))


def _closed(part: Any) -> Any:  # noqa: ANN401  JSON
    """Refuse fields beside those that are described; what has none described stays open."""
    if isinstance(part, list):
        return [_closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    closed = {name: _closed(below) for name, below in part.items()}
    if part.get("type") == "object" and isinstance(part.get("properties"), dict):
        closed["additionalProperties"] = False
    return closed


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
