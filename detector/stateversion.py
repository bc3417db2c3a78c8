"""The version that each record of state begins with: in state topics and in the embedded store alike.

A new version is for any change of a layout, and reads all before it. Fields that came later have defaults, with which
a decoder reads a record that lacks them; where that is not enough, the reader of that kind of record asks for the
version. tests/data/detector/state keeps a record of each kind and version.
"""

from __future__ import annotations

from detector.errors import StateError

VERSION = 3
"""2: alerts name their bundle, activations their place; engine events that were taken, matches for rules to come.
3: clocks remember the bounds that round trips give."""

OLDEST = 1
"""The first that can still be read."""

_MARK = bytes([VERSION])


def sealed(body: bytes) -> bytes:
    """Return a record of the present version."""
    return _MARK + body


def opened(what: str, record: bytes) -> bytes:
    """Return what a record holds.

    Args:
        what: Named in the error, such as ``group state b'…'``.
        record: As `sealed` returned it, now or in an earlier version of the program.

    Raises:
        StateError: It was written by a newer version, or is none of ours.
    """
    version = record[0] if record else 0
    if OLDEST <= version <= VERSION:
        return record[1:]
    known = f"this program reads versions {OLDEST} to {VERSION}"
    if version > VERSION:
        raise StateError(f"{what} is of version {version}, {known}; go on with the newer program that wrote it")
    raise StateError(f"{what} is of unknown version {version}, {known}")
