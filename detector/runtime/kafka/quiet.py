"""Keeping the clients' own logs readable: while a broker is away they would write hundreds of lines a second."""

from __future__ import annotations

import logging
import time

_CLIENTS = ("aiokafka", "faust", "mode")
_EVERY_S = 10.0


class Once(logging.Filter):
    """Lets a message through once in a while, whatever its arguments."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the message was not said lately."""
        now_s = time.monotonic()
        if now_s - self._last.get(record.msg, -_EVERY_S) < _EVERY_S:
            return False
        self._last[record.msg] = now_s
        return True


def quieten() -> None:
    """Show warnings of the client libraries only, and each at most once in ten seconds."""
    for name in _CLIENTS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        if not logger.handlers:
            handler = logging.StreamHandler()
            handler.addFilter(Once())
            logger.addHandler(handler)
            logger.propagate = False
