"""Why a record becomes a dead letter.

::

    NormalizerError          (always: dead letter)
      MalformedRecordError   not the layout, or a field of another type
      MissingFieldError      a field that the event cannot do without
      BadTimestampError      the time cannot be read; never replaced by "now"
      UnknownDatasetError    no normalizer of that name
    ContextError             refuse: a context table is wrong (file, row, column)
"""

from __future__ import annotations


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
