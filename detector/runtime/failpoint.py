"""Named places where a test may end the process, to prove that nothing is lost there.

Set ``ISTHMUS_FAILPOINT=name`` or ``name:n`` (the n-th time it is passed) in the environment.
"""

from __future__ import annotations

import os
import signal

_name, _, _count = os.environ.get("ISTHMUS_FAILPOINT", "").partition(":")
_left = int(_count) if _count.isdigit() else 1


def failpoint(name: str) -> None:
    """End the process as `kill -9` would when this failpoint is armed; cost is one comparison otherwise."""
    global _left  # noqa: PLW0603  a process has one armed failpoint
    if name != _name:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
