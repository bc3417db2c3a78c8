"""A file or standard input, cut into documents at full speed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from connectors.errors import SourceUnavailableError
from connectors.framing.cut import Cut, FrameOptions, cut_file


def replay_file(path: str, options: FrameOptions = FrameOptions()) -> Iterator[Cut]:  # noqa: B008  frozen, no state
    """Cut a file into documents.

    Args:
        path: A file, or ``-`` for standard input.
        options: How to cut.

    Raises:
        SourceUnavailableError: The file cannot be opened.
    """
    if path == "-":
        with open(sys.stdin.fileno(), "rb", closefd=False) as data:
            yield from cut_file(data, options)
        return
    try:
        with Path(path).open("rb") as data:
            yield from cut_file(data, options)
    except OSError as error:
        raise SourceUnavailableError(f"{path}: {error.strerror}") from error
