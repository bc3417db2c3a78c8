"""Names of an event's fields that are close to one that a rule reads."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice

MAX_NAMES = 1_000
"""Names of an event that are compared; ordinary events have below 100."""

MAX_NAME_CHARS = 200

MAX_FOUND = 3

_CLOSE = 0.8
"""Likeness from which a name may be a slip: one letter in five."""


def near_names(path: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the nearest names: other case or separators, then the same last part, then similar letters."""
    known = [name for name in islice(names, MAX_NAMES) if len(name) <= MAX_NAME_CHARS and name != path]
    if len(path) > MAX_NAME_CHARS:
        return ()
    same = [name for name in known if _plain(name) == _plain(path)]
    last = [name for name in known if _last(name) == _last(path) and name not in same]
    if same or last:
        return tuple([*same, *last][:MAX_FOUND])
    by_plain = {_plain(name): name for name in known}
    return tuple(by_plain[each] for each in difflib.get_close_matches(_plain(path), by_plain, 2, _CLOSE))


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _last(name: str) -> str:
    return _plain(name.replace(":", ".").rpartition(".")[2])
