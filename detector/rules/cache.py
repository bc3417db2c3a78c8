"""Compiled rule files on disk: what a file became, under the hash of its text, for this program and these pipelines.

A cache may be deleted at any time, and several processes may share one. It is a few segments: each is written whole
under another name and then renamed, never changed, and read only if its digest is right and every value has its type.
Segments of one program version and one set of pipelines and lists share the beginning of their names.
"""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import time
from functools import cache
from importlib.metadata import version
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
import structlog

from detector.errors import RuleFault
from detector.rules.adaptation import Adaptation
from detector.rules.cachefolder import CacheFolder
from detector.rules.compiling import CompiledFile, compile_file, placed
from detector.rules.documents import RuleFile

MAX_SEGMENTS = 16
"""Segments that one load reads before it writes them as one: each changed file adds one."""

_MAGIC = b"isthmus rules 1\n"
_DIGEST = 32
_NOWHERE = RuleFile("", b"")
_log = structlog.get_logger(__name__)


class RuleCache:
    """A folder of segments.

    Args:
        folder: Made when it is not there, for its owner only; one of somebody else is not used.

    Attributes:
        hits: Files that were found compiled.
        misses: Files that were not.
        refused: Segments that could not be used: truncated, foreign or not ours.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = CacheFolder(folder)
        self.hits = 0
        self.misses = 0
        self.refused = 0

    def open(self, adaptation_hash: str) -> CompiledFiles:
        """Read what was compiled by this program under the same pipelines and lists.

        Args:
            adaptation_hash: Of the pipelines and lists.
        """
        name = hashlib.blake2b(f"{compiler_version()}\x1f{adaptation_hash}".encode(), digest_size=12).hexdigest()
        return CompiledFiles(self, self._folder, name)


class CompiledFiles:
    """The compiled files of one load."""

    def __init__(self, cache: RuleCache, folder: CacheFolder, name: str) -> None:
        self._cache = cache
        self._folder = folder
        self._name = name
        self._kept: dict[bytes, tuple[msgspec.Raw, str]] = {}
        self._used: dict[bytes, tuple[msgspec.Raw, str]] = {}
        self._new: dict[bytes, bytes] = {}
        for segment in folder.segments(name):
            entries = _entries(folder.read(segment))
            if entries is None:
                cache.refused += 1
                folder.remove(segment)
                _log.warning("rule_cache_segment_refused", folder=str(folder.path), segment=segment)
            else:
                self._kept.update((key, (raw, segment)) for key, raw in entries.items())

    def compiled(self, file: RuleFile, adaptation: Adaptation, faults: list[RuleFault]) -> CompiledFile:
        """Return a file as it was compiled before, else compile it; one with faults is compiled each time."""
        key = hashlib.blake2b(file.content, digest_size=16).digest()
        found = self._find(key)
        if found is not None:
            self._cache.hits += 1
            return placed(found, file)
        self._cache.misses += 1
        before = len(faults)
        compiled = compile_file(file, adaptation, faults)
        if len(faults) == before:
            self._keep(key, placed(compiled, _NOWHERE))
        return compiled

    def _find(self, key: bytes) -> CompiledFile | None:
        known = self._kept.get(key)
        if known is None:
            return None
        try:
            found = _decoder.decode(known[0])
        except (msgspec.DecodeError, ValueError, RecursionError):
            self._cache.refused += 1
            return None
        self._used[key] = known
        return found

    def _keep(self, key: bytes, compiled: CompiledFile) -> None:
        try:
            encoded = _encoder.encode(compiled)
            # Keys that are no texts, for one, do not come back as they were.
            if _decoder.decode(encoded) == compiled:
                self._new[key] = encoded
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
            _log.debug("rule_not_kept", error=repr(error))

    def save(self) -> None:
        """Write what is new, and drop what is old; a folder that cannot be written to is left as it is."""
        segments = {segment for _, segment in self._used.values()}
        entries: dict[bytes, msgspec.Raw] = {key: msgspec.Raw(value) for key, value in self._new.items()}
        merge = len(segments) + bool(entries) > MAX_SEGMENTS
        if merge:
            entries |= {key: raw for key, (raw, _) in self._used.items()}
        if entries:
            body = _segment_encoder.encode(entries)
            self._folder.write(f"{self._name}-{secrets.token_hex(8)}", _MAGIC + _digest(body) + body)
        now_s = time.time()
        for segment in segments:
            if merge:
                self._folder.remove(segment)
            else:
                self._folder.touch(segment, now_s)
        self._folder.prune(now_s, segments)


def open_cache(folder: Path | None = None, *, enabled: bool = True) -> RuleCache | None:
    """Return the cache in a folder, the user's own when none is given; None unless enabled."""
    return RuleCache(folder or default_folder()) if enabled else None


def default_folder() -> Path:
    """Return the user's own cache folder, by the XDG base directory specification."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path("~/.cache").expanduser()) / "isthmus" / "rules"


@cache
def compiler_version() -> str:
    """Return a hash of everything in the program that decides what a file compiles to."""
    packages = Path(__file__).parents[1]
    sources = [*sorted(packages.glob("rules/*.py")), *sorted(packages.glob("*.py"))]
    parts = [version(each) for each in ("isthmus", "pysigma", "PyYAML", "msgspec")]
    parts += [platform.python_version(), *(hashlib.sha256(each.read_bytes()).hexdigest() for each in sources)]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST).digest()


def _entries(content: bytes | None) -> dict[bytes, msgspec.Raw] | None:
    start = len(_MAGIC) + _DIGEST
    if content is None or content[: len(_MAGIC)] != _MAGIC:
        return None
    body = content[start:]
    if content[len(_MAGIC) : start] != _digest(body):
        return None
    try:
        return _segment_decoder.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None


def _decoded(_kind: type, value: Any) -> Any:  # noqa: ANN401  the shape of a msgspec dec_hook
    return ip_network(value)  # no other foreign class stands in a rule


_encoder = msgspec.msgpack.Encoder(enc_hook=str)
_decoder = msgspec.msgpack.Decoder(CompiledFile, dec_hook=_decoded)
_segment_encoder = msgspec.msgpack.Encoder()
_segment_decoder = msgspec.msgpack.Decoder(dict[bytes, msgspec.Raw])
