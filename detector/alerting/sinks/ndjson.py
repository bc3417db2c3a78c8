"""Alerts as lines of a file or of standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from detector.alert import Alert
from detector.alerting.sinks.delivery import Outcome, one_by_one
from detector.alerting.sinks.settings import NdjsonSink
from detector.errors import SinkUnavailableError


class NdjsonFile:
    """Appends lines; the same revision twice is the same line twice, told apart by `event.id` and revision."""

    def __init__(self, settings: NdjsonSink) -> None:
        self._settings = settings
        self._path = Path(settings.path)
        self._file: BinaryIO | None = None

    async def deliver(self, alerts: Sequence[Alert]) -> Outcome:
        """Append a line a revision."""
        return await one_by_one(alerts, self._append)

    async def close(self) -> None:
        """Close the file."""
        if self._file is not None and self._settings.path != "-":
            self._file.close()
        self._file = None

    async def _append(self, alert: Alert) -> None:
        line = msgspec.json.encode(alert.document) + b"\n"
        try:
            file = self._open()
            file.write(line)
            file.flush()
            if self._settings.sync and self._settings.path != "-":
                os.fsync(file.fileno())
        except OSError as error:
            await self.close()
            raise SinkUnavailableError(f"{self._settings.path}: {error.strerror}") from error

    def _open(self) -> BinaryIO:
        if self._settings.path == "-":
            return sys.stdout.buffer
        if self._file is not None:
            try:
                stat = self._path.stat()
                opened = os.fstat(self._file.fileno())
                if (stat.st_dev, stat.st_ino) == (opened.st_dev, opened.st_ino):
                    return self._file
            except FileNotFoundError:
                pass
            self._file.close()  # it was rotated away
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("ab")
        return self._file
