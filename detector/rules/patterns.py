"""Regular expressions from rules, compiled by RE2 within bounds: linear in time, and small."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]  # google-re2 has no stubs

MAX_LENGTH = 8_192
"""Characters of an expression; the longest of SigmaHQ has 130."""

USUAL_BYTES, LARGE_BYTES = 1 << 16, 1 << 20
"""Memory that RE2 may use for one expression and the states it meets. The first is enough for all of SigmaHQ's; beyond
it scans without remembered states, in linear time still. Few need the second; what does not fit is refused."""

_CITED = 200
"""Characters cited of an expression, which may have thousands."""


class PatternError(ValueError):
    """An expression that RE2 does not take, or only with more memory than one may have."""


def compile_pattern(pattern: str) -> Any:  # noqa: ANN401  re2 has no types
    """Compile an expression; plans and rules that share one share what it compiles to, within bounds.

    Raises:
        PatternError: It is wrong, too long or too large.
    """
    if len(pattern) > MAX_LENGTH:
        raise PatternError(f"a regular expression has {len(pattern)} characters, of at most {MAX_LENGTH}")
    return _usual(pattern) or _large(pattern)


def pattern_bytes(pattern: str) -> int:
    """Return the memory that an expression may take, which must be right."""
    return USUAL_BYTES if _usual(pattern) is not None else LARGE_BYTES


@lru_cache(maxsize=2_048)  # 128 MiB at most
def _usual(pattern: str) -> Any:  # noqa: ANN401  as above
    """Compile an expression; None when it is not usual."""
    try:
        return re2.compile(pattern, _options(USUAL_BYTES))
    except re2.error:
        return None


@lru_cache(maxsize=128)  # 128 MiB at most
def _large(pattern: str) -> Any:  # noqa: ANN401  as above
    try:
        return re2.compile(pattern, _options(LARGE_BYTES))
    except re2.error as error:
        why = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error
        raise PatternError(f"regular expression {_short(repr(pattern))} is invalid: {_short(str(why))}") from error


def _options(max_bytes: int) -> Any:  # noqa: ANN401  as above
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True  # nobody asks what a group held, and many groups are slow
    options.max_mem = max_bytes
    return options


def _short(text: str) -> str:
    return text if len(text) <= _CITED else f"{text[:_CITED]}..."


def wildcard_pattern(parts: Iterable[str | tuple[()] | None]) -> str:
    """Return the expression of a text with wildcards, which stand as in `TextTest`."""
    body = "".join(".*" if part is None else "." if part == () else re2.escape(str(part)) for part in parts)
    return rf"(?s)\A{body}\z"
