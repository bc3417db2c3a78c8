"""Which file it is, whatever it is called today."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO

from connectors.record import hashed_id

FIRST_LINE_BYTES = 4 << 10
"""How much of the first line tells files apart that get the same inode one after another."""

MAX_TRUNCATIONS = 10_000
"""How often one file may have been truncated in place; bounds the search below."""


def first_line(data: BinaryIO) -> bytes | None:
    """Return the first line of a file, cut; None while it is not complete."""
    head = os.pread(data.fileno(), FIRST_LINE_BYTES, 0)
    end = head.find(b"\n")
    if end >= 0:
        return head[:end]
    return head if len(head) == FIRST_LINE_BYTES else None


def file_identity(data: BinaryIO, position_of: Callable[[str], int | None]) -> tuple[str, int] | None:
    """Name a file by device, inode and first line, and tell how far it was taken.

    Args:
        data: The open file.
        position_of: How far an identity has been taken, or None.

    Returns:
        (identity, position); None while the first line is not complete. A file that is shorter than what was
        taken of it was truncated in place and goes on under a new identity.
    """
    line = first_line(data)
    if line is None:
        return None
    status = os.fstat(data.fileno())
    base = hashed_id("file", status.st_dev, status.st_ino, line)
    identity, position = base, position_of(base) or 0
    for generation in range(1, MAX_TRUNCATIONS):
        name = f"{base}#{generation}"
        taken = position_of(name)
        if taken is None:
            if status.st_size < position:
                identity, position = name, 0
            break
        identity, position = name, taken
    return identity, position
