"""Syslog over a stream: octet counting and newline framing, told apart frame by frame.

References:
    RFC 6587 sections 3.4.1 and 3.4.2.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

MAX_COUNT_DIGITS = 8
"""A count of more digits would announce above 95 MiB; it is a line that begins with digits."""


class Frame(msgspec.Struct, frozen=True):
    """One message; `rejected` is set when it is too long, with its beginning as value."""

    value: bytes
    rejected: str | None = None


class SyslogFrames:
    """Takes a stream's bytes and gives its messages; holds at most one message that is still incomplete."""

    def __init__(self, max_message_bytes: int) -> None:
        self._max = max_message_bytes
        self._buffer = bytearray()
        self._skip = 0
        self._skip_line = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes as they arrive and yield every message that is complete with them."""
        self._buffer += data
        while self._buffer:
            if self._skip or self._skip_line:
                if not self._skipped():
                    return
                continue
            frame, more = self._next()
            if frame is not None and (frame.value or frame.rejected):
                yield frame
            if more:
                return

    def close(self) -> Frame | None:
        """Give the last line of a connection that ended without a newline, if there is one."""
        rest, self._buffer = bytes(self._buffer).strip(b"\r\n\x00"), bytearray()
        return Frame(rest) if rest and not self._skip and not self._skip_line else None

    def _next(self) -> tuple[Frame | None, bool]:
        """Take one frame; (None, True) when more bytes are needed."""
        count = self._count()
        if count is None:
            return None, True
        return self._line() if count < 0 else self._counted(count)

    def _count(self) -> int | None:
        """Return the announced length, -1 for a line, None while undecided."""
        digits = 0
        for byte in self._buffer[: MAX_COUNT_DIGITS + 1]:
            if byte == 0x20 and digits and self._buffer[0] != 0x30:
                return int(self._buffer[:digits])
            if not 0x30 <= byte <= 0x39:
                return -1
            digits += 1
        return None if digits <= MAX_COUNT_DIGITS and digits == len(self._buffer) else -1

    def _counted(self, count: int) -> tuple[Frame | None, bool]:
        start = self._buffer.index(0x20) + 1
        if count > self._max:
            head = bytes(self._buffer[start : start + (64 << 10)])
            self._skip = count - (len(self._buffer) - start)
            if self._skip < 0:
                del self._buffer[: start + count]
                self._skip = 0
            else:
                self._buffer.clear()
            return Frame(head[:count], f"message of {count} bytes is longer than {self._max}"), False
        if len(self._buffer) - start < count:
            return None, True
        value = bytes(self._buffer[start : start + count])
        del self._buffer[: start + count]
        return Frame(value.rstrip(b"\r\n\x00")), False

    def _line(self) -> tuple[Frame | None, bool]:
        end = self._buffer.find(b"\n")
        length = len(self._buffer) if end < 0 else end
        if length > self._max:
            head = bytes(self._buffer[: 64 << 10])
            self._skip_line = end < 0
            if end < 0:
                self._buffer.clear()
            else:
                del self._buffer[: end + 1]
            return Frame(head[:length], f"line is longer than {self._max} bytes"), False
        if end < 0:
            return None, True
        value = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return Frame(value.strip(b"\r\x00")), False

    def _skipped(self) -> bool:
        """Drop the rest of a message that was rejected; False when it is not all here yet."""
        if self._skip:
            taken = min(self._skip, len(self._buffer))
            del self._buffer[:taken]
            self._skip -= taken
            return self._skip == 0
        end = self._buffer.find(b"\n")
        if end < 0:
            self._buffer.clear()
            return False
        del self._buffer[: end + 1]
        self._skip_line = False
        return True
