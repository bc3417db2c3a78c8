"""The epochs file: clocks as they are known afterwards, one stretch a line of JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from detector.errors import SettingsError
from normalizers.clock.hindsight import Hindsight, Stretch

MAX_STRETCHES = 1_000_000
"""Four a day of some hundred sources for years; more are not read into memory."""

_MAX_LINE = 4_096


def epochs_line(stretch: Stretch) -> str:
    """Write one stretch."""
    return msgspec.json.encode(stretch).decode()


def read_epochs(path: Path) -> Hindsight:
    """Read a whole file.

    Raises:
        SettingsError: The file cannot be read, or a line is none of ours; names it.
    """
    try:
        return Hindsight(_stretches(path))
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be read: {error.strerror}; write one with `isthmus clock epochs`"
        ) from error


def _stretches(path: Path) -> Iterator[Stretch]:
    decoder = msgspec.json.Decoder(Stretch)
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE + 1), b""), start=1):
            if number > MAX_STRETCHES:
                raise SettingsError(f"{path}: has more than {MAX_STRETCHES} lines")
            if len(line) > _MAX_LINE:
                raise SettingsError(f"{path}:{number}: is longer than {_MAX_LINE} bytes")
            if not line.strip():
                continue
            try:
                yield decoder.decode(line)
            except (msgspec.DecodeError, ValueError) as error:
                raise SettingsError(f"{path}:{number}: {error}") from error
