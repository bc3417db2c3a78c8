"""Events of one shape as columns: values, and their folded texts where something asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from detector.matching.terms import KEYWORD, MISSING, SEPARATOR
from detector.matching.values import fold, text_of

Event = Mapping[str, Any]
Column = Sequence[Any]


SCALARS = frozenset({str, int, float, bool, type(None)})


def has_kind(kinds: Iterable[type], wanted: type) -> bool:
    """Return whether one of some types is another, or derived from it as a caller's own lists and objects are."""
    return any(issubclass(kind, wanted) for kind in kinds)


class NestedEventError(Exception):
    """Some event has objects, lists in lists, or names with spaces, where a rule may look inside."""


class ReservedNameError(Exception):
    """A field bears the name that stands for all values."""


class Values(dict[str, Column]):
    """Field to its column of values; a field that no event has gives a column of None."""

    def __init__(self, columns: Mapping[str, Column], count: int) -> None:
        super().__init__(columns)
        self._count = count

    def __missing__(self, path: str) -> Column:
        column = self[path] = (None,) * self._count
        return column


class Folded(dict[str, Any]):
    """Field to its column of folded texts, made when first asked for."""

    def __init__(self, values: Values, events: Sequence[Event]) -> None:
        super().__init__()
        self.joined: dict[str, str] = {}
        self.distinct: dict[str, tuple[Sequence[Any], str]] = {}
        self._values = values
        self._events = events

    def __missing__(self, path: str) -> Any:  # noqa: ANN401  a list, or a table that fills itself
        joined = self.joined.get(path)
        column: Any
        if joined is not None:
            column = joined.split(SEPARATOR)
        elif path in self.distinct:
            values, text = self.distinct[path]
            folded = dict(zip(values, text.split(SEPARATOR), strict=True))
            column = list(map(folded.__getitem__, self._values[path]))
        elif path == KEYWORD:
            column = _KeywordTexts(self._events)
        else:
            column = _Texts(self._values[path])
        self[path] = column
        return column


class _Texts(dict[int, str]):
    def __init__(self, column: Column) -> None:
        super().__init__()
        self._column = column

    def __missing__(self, at: int) -> str:
        text = text_of(self._column[at])
        folded = self[at] = MISSING if text is None else fold(text)
        return folded


class _KeywordTexts(dict[int, str]):
    def __init__(self, events: Sequence[Event]) -> None:
        super().__init__()
        self._events = events

    def __missing__(self, at: int) -> str:
        folded = self[at] = fold(SEPARATOR.join(texts_of(self._events[at])))
        return folded


def texts_of(event: Event) -> list[str]:
    """Return every text of a flat event."""
    texts: list[str] = []
    for value in event.values():
        for each in value if isinstance(value, list) else (value,):
            text = text_of(each)
            if text is not None:
                texts.append(text)
    return texts


def text_column(column: Column) -> tuple[list[str], list[int] | None]:
    """Write a column that is not all text.

    Returns:
        Its texts, with `MISSING` for what has none, and for a column with lists the row of each text.

    Raises:
        NestedEventError: A list holds objects or lists.
    """
    if not has_kind(set(map(type, column)), list):
        return [MISSING if (text := text_of(value)) is None else text for value in column], None
    texts: list[str] = []
    rows: list[int] = []
    for row, value in enumerate(column):
        for each in value if isinstance(value, list) else (value,):
            if isinstance(each, dict | list) and each is not value:
                raise NestedEventError
            text = text_of(each)
            if text is not None:
                texts.append(text)
                rows.append(row)
    return texts, rows


def fold_lines(texts: Sequence[str]) -> tuple[str, bool]:
    """Fold texts and join them by the separator.

    Returns:
        The lines, and whether each is exactly the folded text; else separators inside were replaced.
    """
    lines = fold(SEPARATOR.join(texts))
    if lines.count(SEPARATOR) == len(texts) - 1 or not texts:
        return lines, True
    return SEPARATOR.join([fold(text).replace(SEPARATOR, "\r") for text in texts]), False
