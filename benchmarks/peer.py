"""Running the peer, RSigma, on the same events."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path


def peer_run(command: str, rules: Path, lines: Sequence[bytes], *flags: str) -> tuple[float, int]:
    """Evaluate JSON events with the peer.

    Args:
        command: Path of `rsigma`.
        rules: Rule file or folder.
        lines: One JSON object each.
        flags: Options of `rsigma engine eval`.

    Returns:
        CPU seconds of the whole process, and lines that it wrote.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        events = Path(folder, "events.ndjson")
        events.write_bytes(b"\n".join(lines) + b"\n")
        arguments = [command, "engine", "eval", "-r", str(rules), *flags, "-e", f"@{events}", "--quiet"]
        process = subprocess.Popen([*arguments, "--output-format", "ndjson"], stdout=output, stderr=subprocess.DEVNULL)  # noqa: S603
        _, _, usage = os.wait4(process.pid, 0)
        output.seek(0)
        return usage.ru_utime + usage.ru_stime, sum(1 for _ in output)
