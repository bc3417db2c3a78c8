"""Why a record becomes a dead letter.

::

    NormalizerError          (always: dead letter)
      MalformedRecordError   not the layout, or a field of another type
      MissingFieldError      a field that the event cannot do without
      BadTimestampError      the time cannot be read; never replaced by "now"
      UnknownDatasetError    no normalizer of that name
    ContextErrors            refuse: context tables are wrong; every fault of the folder
      ContextFault           one of them (a fact, not an exception): file, row, column
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class NormalizerError(Exception):
    """Root: this record cannot become an event."""


class MalformedRecordError(NormalizerError):
    """The value is not of the dataset's layout."""


class MissingFieldError(NormalizerError):
    """A field is absent that the event cannot do without."""

    def __init__(self, field: str) -> None:
        super().__init__(f"field {field!r} is missing")
        self.field = field


class BadTimestampError(NormalizerError):
    """The record's time cannot be read."""

    def __init__(self, text: object, expected: str) -> None:
        super().__init__(f"time {str(text)[:80]!r} is not {expected}")
        self.text = text
        self.expected = expected


class UnknownDatasetError(NormalizerError):
    """No normalizer carries this dataset's name."""

    def __init__(self, dataset: str) -> None:
        super().__init__(f"no normalizer for dataset {dataset!r}; set `dataset` of the source or see `isthmus inspect`")
        self.dataset = dataset


class ContextFault(msgspec.Struct, frozen=True):
    """One fault of a context table.

    Attributes:
        path: File.
        row: Line of a CSV or YAML file, position of the object in a JSON file, from 1; 0: the whole file.
        column: Column; empty: the whole row.
        what: What is wrong.
        instead: What to write instead; empty when there is no advice.
    """

    path: str
    row: int
    column: str
    what: str
    instead: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.path, self.row or "", self.column) if part)
        remedy = f"; {self.instead}" if self.instead else ""
        return f"{place}: {self.what}{remedy}"


class ContextErrors(Exception):  # noqa: N818  one error that carries many faults
    """Context tables that cannot be used; carries every fault of the folder."""

    def __init__(self, faults: Sequence[ContextFault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)
