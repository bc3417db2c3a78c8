"""Field and type of the index templates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

ELASTIC = Path(__file__).parents[2] / "deploy" / "elastic"
TEMPLATES = ("isthmus-alerts", "isthmus-events", "isthmus-workflow")


def template(name: str) -> dict[str, Any]:
    """Return an index template."""
    read: dict[str, Any] = msgspec.json.decode((ELASTIC / "index_template" / f"{name}.json").read_bytes())
    return read


def components(name: str) -> list[dict[str, dict[str, Any]]]:
    """Return the fields of each of a template's parts, its own last."""
    body = template(name)
    parts = [ELASTIC / "component_template" / f"{each}.json" for each in body.get("composed_of", [])]
    bodies = [*(msgspec.json.decode(part.read_bytes()) for part in parts), body]
    return [each["template"]["mappings"].get("properties", {}) for each in bodies]


def types(name: str) -> dict[str, str]:
    """Return field to type."""
    return {path: kind["type"] for part in components(name) for path, kind in part.items()}


def unmapped(paths: set[str], mapping: dict[str, str]) -> list[str]:
    """Return the fields that cannot be searched: neither they nor a flattened object above them is mapped."""
    flattened = tuple(f"{path}." for path, kind in mapping.items() if kind == "flattened")
    return sorted(path for path in paths if path not in mapping and not path.startswith(flattened))


def leaves(document: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401  any JSON
    """Yield the values of a document by their dotted names, those of lists one by one; not what is null."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else key)
    elif isinstance(document, list):
        for value in document:
            yield from leaves(value, prefix)
    elif document is not None:
        yield prefix, document
