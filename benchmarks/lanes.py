"""Events for benchmarks: the peers' lanes, and the same with values that hardly ever repeat."""

from __future__ import annotations

import random
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
LANES = ("structured_windows", "sysmon_file_event", "match_heavy", "raw_windows", "cisco_syslog", "no_match")

_VARYING = re.compile(
    r"0x[0-9A-Fa-f]+|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{16,}"
    r"|(?<=Users\\)\w+|(?<=CORP\\)\w+|(?<=User )\S+(?= executed)|(?<![\w.%])\d{4,}(?![\w.])|\d\d:\d\d:\d\d"
)
_GROWING = {"CommandLine", "ParentCommandLine", "message"}
_NAMED = {"Image", "ParentImage", "TargetFilename"}


def unpack(name: str, folder: Path) -> Path:
    """Unpack an archive of real data.

    Raises:
        SystemExit: It is not there.
    """
    archive = DATA / f"{name}.tar.gz"
    if not archive.exists():
        raise SystemExit(f"{archive} is needed for this benchmark")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder


def repeated(path: Path, count: int) -> list[bytes]:
    """Return the lines of a lane again and again."""
    lines = path.read_bytes().splitlines()
    return [lines[number % len(lines)] for number in range(count)]


def high_entropy(path: Path, count: int) -> list[bytes]:
    """Return lines of a lane in which ids, hashes, users, hosts, times and arguments are new each time."""
    draw = random.Random(7)  # noqa: S311  figures, not keys
    events = [msgspec.json.decode(line, type=dict[str, Any]) for line in path.read_bytes().splitlines()]
    return [msgspec.json.encode(_varied(events[number % len(events)], draw)) for number in range(count)]


def _varied(event: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    return {name: _value(name, value, draw) for name, value in event.items()}


def _value(name: str, value: object, draw: random.Random) -> object:
    if isinstance(value, int) and name.endswith("Id"):
        return draw.randrange(4, 1 << 22)
    if not isinstance(value, str):
        return value
    value = _VARYING.sub(_digits(draw), value)
    if name in _GROWING:
        return f"{value} --run {draw.getrandbits(64):016x}"
    if name in _NAMED and draw.random() < 0.1 and "\\" in value:
        return (
            f"C:\\Users\\u{draw.randrange(20_000):05d}\\Apps\\{draw.getrandbits(32):08x}\\{value.rsplit(chr(92), 1)[1]}"
        )
    if name == "Computer":
        return f"ws-{draw.randrange(5_000):04d}"
    return value


def _digits(draw: random.Random) -> Callable[[re.Match[str]], str]:
    def other(found: re.Match[str]) -> str:
        text = found[0]
        if ":" in text:
            return f"{draw.randrange(24):02d}:{draw.randrange(60):02d}:{draw.randrange(60):02d}"
        if text.isdigit():
            return str(draw.randrange(10 ** (len(text) - 1), 10 ** len(text)))
        if re.fullmatch(r"(0x)?[0-9A-Fa-f-]+", text):
            return re.sub(r"(?<!^0)[0-9A-Fa-f]", lambda _: draw.choice("0123456789abcdef"), text)
        return f"u{draw.randrange(20_000):05d}"

    return other
