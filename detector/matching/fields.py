"""An event as evaluators read it: one flat mapping of dotted names, however deep the event was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detector.matching.limits import MAX_DEPTH, beginning, is_large

Fields = Mapping[str, Any]
"""Field to scalar, list of scalars or, for `exists`, object: that of a list of nothing else is its first."""


def flat_fields(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the event itself where it is flat, else with each path through its objects as a field.

    A name that stands in the event wins over the same path through objects; a path through a list of objects
    gives the list of what is found; lists in lists become one list. Objects stay under their own name, so that
    `exists` holds for them. A name with spaces is found without them too, as rules write it. Of a large event the
    beginning counts (`detector.matching.limits`).
    """
    if is_large(event):
        event = beginning(event)
    for value in event.values():
        if isinstance(value, dict) or (
            isinstance(value, list) and any(isinstance(each, dict | list) for each in value)
        ):
            return _flattened(event)
    return _flattened(event) if any(" " in name for name in event) else event


def unspaced(name: str) -> str:
    """Return a name without its spaces."""
    return name.replace(" ", "")


def _flattened(event: Mapping[str, Any]) -> dict[str, Any]:
    flat = dict(event)
    _fill(flat, event, "", 0)
    for path in [path for path in flat if " " in path]:
        flat.setdefault(unspaced(path), flat[path])
    return flat


def _fill(flat: dict[str, Any], content: Mapping[str, Any], prefix: str, depth: int) -> None:
    if depth >= MAX_DEPTH:
        return
    for name, value in content.items():
        path = f"{prefix}{name}"
        if isinstance(value, list):
            members, objects = _members(value, MAX_DEPTH)
            own: Any = members if members or not objects else objects[0]
            if depth == 0:
                flat[path] = own
            else:
                flat.setdefault(path, own)
            for inner, found in _columns(objects, depth + 1).items():
                flat.setdefault(f"{path}.{inner}", found)
        elif depth:
            flat.setdefault(path, value)
    for name, value in content.items():
        if isinstance(value, dict):
            _fill(flat, value, f"{prefix}{name}.", depth + 1)


def _members(value: list[Any], depth: int) -> tuple[list[Any], list[dict[str, Any]]]:
    """Return the scalars of a list and of the lists in it, and its objects."""
    scalars, objects = list[Any](), list[dict[str, Any]]()
    for each in value:
        if isinstance(each, dict):
            objects.append(each)
        elif not isinstance(each, list):
            scalars.append(each)
        elif depth:
            more, others = _members(each, depth - 1)
            scalars.extend(more)
            objects.extend(others)
    return scalars, objects


def _columns(objects: list[dict[str, Any]], depth: int) -> dict[str, Any]:
    """Return each path through some objects with the list of what is found there, or the first object there."""
    found, below = dict[str, Any](), dict[str, Any]()
    for each in objects:
        inner = dict[str, Any]()
        _fill(inner, {"": each}, "", depth)
        for path, value in inner.items():
            name = path.removeprefix(".")
            if path and isinstance(value, dict):
                below.setdefault(name, value)
            elif path:
                found.setdefault(name, []).extend(value if isinstance(value, list) else (value,))
    return below | found
