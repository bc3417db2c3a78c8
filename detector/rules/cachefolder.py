"""The folder of the compiled cache: private, bounded, and never a reason to stop."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path

import structlog

MAX_SEGMENT_BYTES = 64 << 20
"""SigmaHQ's 3,754 rules are 5 MB."""

MAX_FOLDER_BYTES = 128 << 20
MAX_FOLDER_SEGMENTS = 256
"""Beyond either the segments that were not used for longest go."""

_TOUCH_S = 3_600
_ABANDONED_S = 3_600
"""A file under a temporary name is written in a moment; one of this age belongs to a process that has ended."""

_SUFFIX, _TEMPORARY = ".rules", ".part"
_log = structlog.get_logger(__name__)


class CacheFolder:
    """Segments as files.

    Args:
        path: The folder; made with its parents, for the owner only.

    Attributes:
        path: The folder.
        is_usable: It is ours alone. Otherwise nothing is read or written, which is logged once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_usable = False
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = path.lstat()
        except OSError as error:
            self._leave(error.strerror or str(error))
            return
        if not stat.S_ISDIR(found.st_mode):
            self._leave("it is a link or a file")
        elif found.st_uid != os.geteuid():
            self._leave("it belongs to another user")
        elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            self._leave("others may write to it")
        else:
            self.is_usable = True

    def segments(self, name: str) -> list[str]:
        """Return the names of the segments that begin with a name, in order."""
        return sorted(each for each in self._names(_SUFFIX) if each.startswith(f"{name}-"))

    def read(self, segment: str) -> bytes | None:
        """Return a segment's content; None when it is gone, too large or not ours."""
        try:
            handle = os.open(self.path / segment, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            mine = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
            if not mine or found.st_size > MAX_SEGMENT_BYTES:
                return None
            return file.read(MAX_SEGMENT_BYTES)

    def write(self, segment: str, content: bytes) -> None:
        """Write a segment under another name and rename it, so that nobody reads half of one."""
        if not self.is_usable or len(content) > MAX_SEGMENT_BYTES:
            return
        part = self.path / f"{segment}{_TEMPORARY}"
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            part.rename(self.path / f"{segment}{_SUFFIX}")
        except OSError as error:
            self._leave(error.strerror or str(error))
            part.unlink(missing_ok=True)

    def remove(self, segment: str) -> None:
        """Delete a segment, if it is still there and may be deleted."""
        try:
            (self.path / segment).unlink(missing_ok=True)
        except OSError as error:
            _log.debug("rule_cache_segment_stayed", segment=segment, error=error.strerror)

    def touch(self, segment: str, now_s: float) -> None:
        """Note that a segment is used; once an hour is enough to tell which are not."""
        try:
            if now_s - (self.path / segment).stat().st_mtime > _TOUCH_S:
                os.utime(self.path / segment)
        except OSError as error:
            _log.debug("rule_cache_segment_left", segment=segment, error=error.strerror)

    def prune(self, now_s: float, used: Collection[str]) -> None:
        """Delete the segments used longest ago beyond the bounds, and files of processes that have ended.

        Args:
            now_s: Seconds since 1970.
            used: Segments in use, which go last.
        """
        for name in self._names(_TEMPORARY):
            if now_s - self._state(name)[0] > _ABANDONED_S:
                self.remove(name)
        found = sorted(((name in used, *self._state(name), name) for name in self._names(_SUFFIX)), reverse=True)
        size = 0
        for number, (_, _, size_bytes, name) in enumerate(found):
            size += size_bytes
            if number >= MAX_FOLDER_SEGMENTS or size > MAX_FOLDER_BYTES:
                self.remove(name)

    def _state(self, name: str) -> tuple[float, int]:
        try:
            found = (self.path / name).lstat()
        except OSError:
            return 0.0, 0
        return found.st_mtime, found.st_size

    def _names(self, suffix: str) -> list[str]:
        if not self.is_usable:
            return []
        try:
            return [each.name for each in self.path.iterdir() if each.suffix == suffix]
        except OSError:
            return []

    def _leave(self, why: str) -> None:
        self.is_usable = False
        _log.warning("rule_cache_not_used", folder=str(self.path), reason=why)
