"""What could not be processed, as people look at it and try it again; each runtime keeps it in a log of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from connectors.recognition import recognise
from connectors.record import Document
from detector.errors import DetectorError
from detector.task import CANARY_SOURCE, ENGINE_DATASET, DeadLetter

RAW_STAGES = frozenset({"recognise", "normalize", "sense"})
"""Stages whose letters are raw records, kept whole: only those can be put back."""


class StoredDeadLetter(msgspec.Struct, frozen=True):
    """A dead letter as kept; `retried` counts how often it was given back."""

    seq: int
    letter: DeadLetter
    retried: int = 0


class NotRetriableError(DetectorError):
    """A dead letter that is no raw record, or of no dataset that is known."""


class DeadLetterLog(Protocol):
    """Where a runtime keeps dead letters."""

    async def newest(self, limit: int, stage: str | None) -> Sequence[StoredDeadLetter]:
        """Return the newest dead letters, newest first.

        Args:
            limit: At most this many.
            stage: Only of this stage; None: of all.
        """
        ...

    async def get(self, numbers: Iterable[int]) -> dict[int, StoredDeadLetter]:
        """Return dead letters by their numbers; those that there are not are left out."""
        ...

    async def put_back(self, documents: Mapping[int, Document]) -> set[int]:
        """Append documents made of dead letters to the raw log, each once however often it is asked.

        Returns:
            Numbers of those that were not there before.
        """
        ...


def document_of(stored: StoredDeadLetter, datasets: Mapping[str, str], dataset: str | None) -> Document:
    """Return a dead letter as a record that enters the raw log anew.

    Args:
        stored: The dead letter.
        datasets: Source to dataset, as the settings say.
        dataset: Take it as this one instead.

    Returns:
        A document under a key of its own: the same choice of letter and dataset is the same record.

    Raises:
        NotRetriableError: Says why.
    """
    letter = stored.letter
    if letter.stage not in RAW_STAGES:
        raise NotRetriableError(f"is of stage {letter.stage}; only raw records can be put back")
    if letter.source.startswith(CANARY_SOURCE) or ENGINE_DATASET in (dataset, letter.dataset):
        raise NotRetriableError("says that it is of the engine itself, which sends its own records anew")
    chosen = dataset or letter.dataset or datasets.get(letter.source) or recognise(letter.value)
    if not chosen:
        raise NotRetriableError("no recogniser knows it; say what it is with --dataset")
    key = f"deadletter/{stored.seq}/{chosen}"
    return Document(source=letter.source, dataset=chosen, value=letter.value, key=key)
