"""Follows a growing file: through rotation by renaming, truncation in place, and our own restarts."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import BinaryIO

import structlog

from connectors.errors import SourceUnavailableError
from connectors.file_identity import file_identity
from connectors.framing.cut import detect_framing
from connectors.framing.tables import ZeekTsvReader
from connectors.intake import Intake
from connectors.reading_task import ReadingTask
from connectors.record import Document
from connectors.settings import FileTail

CHUNK_BYTES = 256 << 10
"""Read at once; the next chunk waits until this one is durable."""

_log = structlog.get_logger(__name__)


class OpenFile:
    """One file that is being followed."""

    def __init__(self, data: BinaryIO, identity: str, position: int, framing: str | None) -> None:
        self.data = data
        self.identity = identity
        self.position = position
        data.seek(0)
        head = data.read(CHUNK_BYTES)
        self._zeek = ZeekTsvReader() if (framing or detect_framing(head)) == "zeek_tsv" else None
        if self._zeek is not None and position:
            for line in head[:position].splitlines():
                if line.startswith(b"#"):
                    self._zeek.read(line)
        data.seek(position)

    def read(self, max_line_bytes: int) -> tuple[list[tuple[bytes, int]], list[tuple[bytes, int, str]]]:
        """Read the next complete lines.

        Returns:
            (documents with their ends, rejected ones with their ends and reasons).
        """
        self.data.seek(self.position)
        chunk = self.data.read(CHUNK_BYTES)
        if len(chunk) == CHUNK_BYTES and b"\n" not in chunk:
            chunk += self.data.read(max_line_bytes - CHUNK_BYTES + 1)
        end = chunk.rfind(b"\n") + 1
        if end == 0:
            return [], self._overlong(chunk, max_line_bytes)
        good = list[tuple[bytes, int]]()
        bad = list[tuple[bytes, int, str]]()
        for line in chunk[:end].splitlines(keepends=True):
            self.position += len(line)
            if len(line) > max_line_bytes:
                bad.append((line[: 64 << 10], self.position, f"line longer than {max_line_bytes} bytes"))
            else:
                self._take(line, good, bad)
        return good, bad

    def _take(self, line: bytes, good: list[tuple[bytes, int]], bad: list[tuple[bytes, int, str]]) -> None:
        if self._zeek is None:
            if value := line.strip(b"\r\n\x00"):
                good.append((value, self.position))
        elif (read := self._zeek.read(line)) is not None:
            value, reason = read
            if reason is None:
                good.append((value, self.position))
            else:
                bad.append((value, self.position, f"byte {self.position}: {reason}"))

    def _overlong(self, chunk: bytes, max_line_bytes: int) -> list[tuple[bytes, int, str]]:
        if len(chunk) <= max_line_bytes:
            return []
        self.position += len(chunk)
        return [(chunk[: 64 << 10], self.position, f"line longer than {max_line_bytes} bytes")]


class FileTailConnector:
    """Puts the lines of one file, in order, each once."""

    def __init__(self, settings: FileTail, intake: Intake) -> None:
        self._settings = settings
        self._intake = intake
        self._reading = ReadingTask()
        self._file: OpenFile | None = None

    async def start(self) -> None:
        """Begin to watch; the file may appear later."""
        self._reading.start(self._run(), f"tail {self._settings.path}")

    async def stop(self) -> None:
        """Stop watching."""
        await self._reading.stop()
        self._close()

    async def _run(self) -> None:
        await self._catch_up()
        while True:
            try:
                moved = await self._pass()
            except (OSError, SourceUnavailableError) as error:
                _log.warning("file_not_read", path=str(self._settings.path), error=str(error))
                self._close()
                moved = False
            if not moved:
                await asyncio.sleep(self._settings.poll_s)

    async def _catch_up(self) -> None:
        """Read what is left of a file that was renamed while we were not running."""
        path = self._settings.path
        for sibling in sorted(path.parent.glob(f"{path.name}.*"), reverse=True):
            if sibling.suffix == ".gz" or not sibling.is_file():
                continue
            opened = self._open(sibling)
            if opened is None:
                continue
            if self._intake.position_of(opened.identity) is None:
                opened.data.close()  # never followed under this name: not ours to read
                continue
            self._file = opened
            while await self._put(opened):
                pass
            self._close()

    async def _pass(self) -> bool:
        if self._file is None:
            self._file = self._open(self._settings.path)
            if self._file is None:
                return False
        if await self._put(self._file):
            return True
        if self._is_replaced(self._file):
            self._close()
            return True
        return False

    async def _put(self, file: OpenFile) -> bool:
        before = file.position
        good, bad = file.read(self._settings.max_line_bytes)
        source, dataset = self._settings.source, self._settings.dataset
        for value, _, reason in bad:
            await self._intake.reject(source, dataset, value, f"{self._settings.path}: {reason}")
        if good:
            documents = [
                Document(source=source, dataset=dataset, value=value, input=file.identity, position=end)
                for value, end in good
            ]
            try:
                await self._intake.put(documents)
            except SourceUnavailableError:
                file.position = before
                raise
        return file.position != before

    def _open(self, path: Path) -> OpenFile | None:
        try:
            data = path.open("rb", buffering=0)
        except FileNotFoundError:
            return None
        named = file_identity(data, self._intake.position_of)
        if named is None:
            data.close()
            return None
        return OpenFile(data, *named, self._settings.framing)

    def _is_replaced(self, file: OpenFile) -> bool:
        """Tell whether the path leads to another file now, or this one was cut short."""
        try:
            status = self._settings.path.stat()
        except FileNotFoundError:
            return False
        named = file_identity(file.data, self._intake.position_of)
        own = os.fstat(file.data.fileno())
        same = (status.st_dev, status.st_ino) == (own.st_dev, own.st_ino)
        return not same or named is None or named[0] != file.identity or own.st_size < file.position

    def _close(self) -> None:
        if self._file is not None:
            self._file.data.close()
            self._file = None
