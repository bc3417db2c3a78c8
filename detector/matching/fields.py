"""Looking fields up: exact name first, then down nested objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from detector.matching.values import MISSING

MAX_DEPTH = 32


class Fields(Protocol):
    """An event as evaluators read it."""

    def get(self, path: str, default: Any, /) -> Any:  # noqa: ANN401  values of any type
        """Return a field's value, or the default when it is missing."""
        ...

    def values(self) -> Any:  # noqa: ANN401  a view of any kind
        """Return all values, for keywords."""
        ...


class NestedFields:
    """An event with objects inside objects and lists of objects."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._event = event

    def get(self, path: str, default: Any, /) -> Any:  # noqa: ANN401
        """Return the value under the exact name, else that found by walking down the dots."""
        found = self._event.get(path, MISSING)
        if found is MISSING and "." in path:
            found = _walk(self._event, path, MAX_DEPTH)
        return default if found is MISSING else found

    def values(self) -> Iterator[Any]:
        """Yield every value however deep."""
        return _values(self._event, MAX_DEPTH)


def _walk(value: Any, path: str, depth: int) -> Any:  # noqa: ANN401  values of any type
    if depth == 0:
        return MISSING
    if isinstance(value, list):
        found = [each for item in value if (each := _walk(item, path, depth - 1)) is not MISSING]
        return found or MISSING
    if not isinstance(value, Mapping):
        return MISSING
    if path in value:
        return value[path]
    head, dot, rest = path.partition(".")
    while dot:
        if head in value:
            found = _walk(value[head], rest, depth - 1)
            if found is not MISSING:
                return found
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return MISSING


def _values(value: object, depth: int) -> Iterator[object]:
    if depth == 0:
        return
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _values(each, depth - 1)
    elif isinstance(value, list):
        for each in value:
            yield from _values(each, depth - 1)
    else:
        yield value
