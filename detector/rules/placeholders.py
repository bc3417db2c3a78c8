"""Placeholders (``|expand`` with ``%name%``): lists of values that rules name but do not hold.

A listed value is taken as it stands: a star in it is a star. Rows of the context table `lists` may be valid for some
time only; the event's own time decides, so that a replay decides alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sigma.types import Placeholder

from detector.errors import RuleFault
from detector.rules.condition import Condition, Or, within
from detector.rules.documents import read_documents
from detector.rules.meta import suggest
from normalizers.context.schema import ListEntry
from normalizers.context.tables import read_context

MAX_VALUES = 10_000
"""Values of one list, and of one text once its placeholders are filled in."""

MAX_LENGTH = 4_096
"""Characters of one value; longer ones are no names, addresses or paths."""

TABLE = "lists"
"""The context table."""

Part = Any
"""A literal, a wildcard or a placeholder of pySigma's texts."""


class ListedValue(msgspec.Struct, frozen=True, order=True):
    """One value of a list.

    Attributes:
        value: Taken literally.
        valid_from_ns: Of events before it the list does not hold this value; None: it always did.
        valid_to_ns: Nor of events from then on; None: it still does.
    """

    value: str
    valid_from_ns: int | None = None
    valid_to_ns: int | None = None


Lists = Mapping[str, Sequence[str | int | ListedValue]]
"""Name, without percent signs, to values."""


class Literal(NamedTuple):
    """A filled-in value: no character of it is special."""

    text: str


class _Filled(NamedTuple):
    parts: tuple[Part, ...]
    from_ns: int | None
    to_ns: int | None


class Placeholders:
    """The lists that one load knows.

    Args:
        lists: By name.
    """

    def __init__(self, lists: Lists) -> None:
        self._lists = {name: tuple(map(_listed, values)) for name, values in lists.items()}

    def digest(self) -> dict[str, list[list[object]]]:
        """Return all lists as plain data, whatever the order of their values."""
        return {name: _plain(values) for name, values in self._lists.items()}

    def fill(self, parts: Sequence[Part], leaf: Callable[[tuple[Part, ...]], Condition]) -> Condition:
        """Return a condition that holds when one of the filled-in texts does.

        Args:
            parts: A text with placeholders.
            leaf: Makes the condition of one text whose placeholders are `Literal` now.

        Raises:
            ValueError: A list is not known or empty, or there are more than `MAX_VALUES` texts.
        """
        filled = [_Filled((), None, None)]
        for part in parts:
            if isinstance(part, Placeholder):
                filled = _product(filled, self._values(part.name))
            else:
                filled = [each._replace(parts=(*each.parts, part)) for each in filled]
        groups = dict[tuple[int | None, int | None], list[Condition]]()
        for each in filled:
            groups.setdefault((each.from_ns, each.to_ns), []).append(leaf(each.parts))
        return Or(tuple(within(Or(tuple(leaves)), *bounds) for bounds, leaves in groups.items()))

    def _values(self, name: str) -> Sequence[ListedValue]:
        found = self._lists.get(name)
        if not found:
            raise ValueError(
                f"placeholder %{name}% is not resolved; add rows of list {name!r} to the context table `{TABLE}`, or"
                f" give it by --placeholders or a pipeline{suggest(name, self._lists)}"
            )
        return found


def read_lists(path: Path, faults: list[RuleFault]) -> dict[str, tuple[ListedValue, ...]]:
    """Read lists from a YAML file: name to values.

    Args:
        path: The file.
        faults: Takes what cannot be used.
    """
    lists = dict[str, tuple[ListedValue, ...]]()
    for document in read_documents(path, faults):
        for name, values in document.content.items():
            try:
                lists[str(name)] = _checked(values)
            except ValueError as error:
                faults.append(RuleFault(document.path, document.line, f"list {name!r}", str(error)))
    return lists


def context_lists(folder: Path | None) -> dict[str, tuple[ListedValue, ...]]:
    """Return the lists of a context folder, as far as they can be read; its faults are the context's own."""
    lists = dict[str, list[ListedValue]]()
    for placed in read_context(folder)[0].get(TABLE, []) if folder is not None else []:
        row = placed.row
        if isinstance(row, ListEntry):
            lists.setdefault(row.list, []).append(ListedValue(row.value, row.valid_from_ns, row.valid_to_ns))
    return {name: tuple(values) for name, values in lists.items()}


def _product(filled: list[_Filled], values: Sequence[ListedValue]) -> list[_Filled]:
    if len(filled) * len(values) > MAX_VALUES:
        raise ValueError(f"its placeholders stand for more than {MAX_VALUES} texts; shorten the lists")
    return [
        _Filled(
            (*each.parts, Literal(value.value)),
            max((at for at in (each.from_ns, value.valid_from_ns) if at is not None), default=None),
            min((at for at in (each.to_ns, value.valid_to_ns) if at is not None), default=None),
        )
        for each in filled
        for value in values
    ]


def _checked(values: object) -> tuple[ListedValue, ...]:
    if not isinstance(values, list) or not values:
        raise ValueError("has no values; write `name: [one, two]`")
    if len(values) > MAX_VALUES:
        raise ValueError(f"has more than {MAX_VALUES} values; split it")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ValueError(f"{value!r} is neither a text nor a whole number; quote it")  # noqa: TRY004  of the text
        if len(str(value)) > MAX_LENGTH:
            raise ValueError(f"has a value of more than {MAX_LENGTH} characters")
    return tuple(map(_listed, values))


def _listed(value: str | int | ListedValue) -> ListedValue:
    return value if isinstance(value, ListedValue) else ListedValue(str(value))


def _plain(values: Sequence[ListedValue]) -> list[list[object]]:
    every = {(each.value, each.valid_from_ns, each.valid_to_ns) for each in values}
    return [list(each) for each in sorted(every, key=repr)]
