"""Watches a folder for new files, such as the CSV reports that access-control systems drop."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec
import structlog

from connectors.errors import SourceUnavailableError
from connectors.framing.cut import Cut, FrameOptions, cut_file
from connectors.framing.tables import CsvLayout
from connectors.intake import Intake
from connectors.reading_task import ReadingTask
from connectors.record import Document, hashed_id
from connectors.settings import Folder

BATCH = 1_000
"""Documents put at once."""

MAX_REMEMBERED = 100_000
"""Files whose state is remembered; a folder that holds more should be emptied by whoever fills it."""

_log = structlog.get_logger(__name__)


class Seen(msgspec.Struct):
    """What was seen of one file: size and time of its last change, when they last moved, and whether it is done."""

    size: int
    mtime_ns: int
    since_s: float
    done: bool = False


class FolderConnector:
    """Reads each new file once it has stopped growing; rows that were taken before a restart are not taken again."""

    def __init__(self, settings: Folder, intake: Intake) -> None:
        self._settings = settings
        self._intake = intake
        self._seen: dict[Path, Seen] = {}
        self._reading = ReadingTask()
        self._options = FrameOptions(
            framing=settings.framing,  # type: ignore[arg-type]  # checked by cut_file, with the list of framings
            max_line_bytes=settings.max_line_bytes,
            csv=CsvLayout(
                settings.delimiter, settings.encoding, tuple(settings.header) if settings.header is not None else None
            ),
        )

    async def start(self) -> None:
        """Begin to watch; the folder may appear later."""
        self._reading.start(self._run(), f"folder {self._settings.path}")

    async def stop(self) -> None:
        """Stop watching."""
        await self._reading.stop()

    async def _run(self) -> None:
        while True:
            for path in self._settled():
                try:
                    await self._read(path)
                except (OSError, SourceUnavailableError) as error:
                    _log.warning("file_not_read", path=str(path), error=str(error))
                else:
                    self._seen[path].done = True
            await asyncio.sleep(self._settings.poll_s)

    def _settled(self) -> list[Path]:
        """Return files that are new or changed and have stood still for `settle_s`, oldest first."""
        now_s = asyncio.get_running_loop().time()
        ready = list[tuple[int, Path]]()
        for path in sorted(self._settings.path.glob(self._settings.pattern))[:MAX_REMEMBERED]:
            if path.name.startswith(".") or not path.is_file():
                continue
            status = path.stat()
            seen = self._seen.get(path)
            if seen is None or (seen.size, seen.mtime_ns) != (status.st_size, status.st_mtime_ns):
                self._seen[path] = seen = Seen(status.st_size, status.st_mtime_ns, now_s)
            if not seen.done and now_s - seen.since_s >= self._settings.settle_s:
                ready.append((status.st_mtime_ns, path))
        return [path for _, path in sorted(ready)]

    async def _read(self, path: Path) -> None:
        with path.open("rb") as data:
            status = os.fstat(data.fileno())
            identity = hashed_id("folder", status.st_dev, status.st_ino, status.st_mtime_ns, path.name)
            taken = self._intake.position_of(identity) or 0
            batch = list[Document]()
            for cut in cut_file(data, self._options):
                if cut.end <= taken:
                    continue
                if cut.rejected is not None:
                    await self._reject(path, cut)
                    continue
                batch.append(self._document(identity, cut))
                if len(batch) >= BATCH:
                    await self._intake.put(batch)
                    batch = []
            if batch:
                await self._intake.put(batch)

    def _document(self, identity: str, cut: Cut) -> Document:
        settings = self._settings
        return Document(
            source=settings.source, dataset=settings.dataset, value=cut.value, input=identity, position=cut.end
        )

    async def _reject(self, path: Path, cut: Cut) -> None:
        settings = self._settings
        await self._intake.reject(settings.source, settings.dataset, cut.value, f"{path.name}: {cut.rejected}")
