"""Keeping the clients' own logs readable: while a broker is away they would write hundreds of lines a second."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from aiokafka.errors import KafkaError

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
    """Show warnings of the client libraries only, and each at most once in ten seconds; again, it changes nothing.

    Call it on the event loop.
    """
    for name in _CLIENTS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        if not logger.handlers:
            handler = logging.StreamHandler()
            handler.addFilter(Once())
            logger.addHandler(handler)
            logger.propagate = False
    asyncio.get_running_loop().set_exception_handler(_tell)


def _tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Leave out what goes wrong inside a client: what it broke was reported where it broke."""
    task = context.get("task")
    file = task.get_coro().cr_code.co_filename if task is not None else ""
    if not (isinstance(context.get("exception"), KafkaError) or "aiokafka" in file):
        loop.default_exception_handler(context)
