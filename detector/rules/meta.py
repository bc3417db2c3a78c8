"""What people read of a rule, checked."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable
from typing import Any, get_args

import msgspec

from detector.rules.documents import RuleDocument
from detector.rules.model import Level, RuleMeta

STANDARD_KEYS = frozenset(
    {
        "title", "id", "name", "related", "taxonomy", "status", "description", "license", "author", "references",
        "date", "modified", "logsource", "detection", "correlation", "filter", "fields", "falsepositives", "level",
        "tags", "scope", "action", "generate",
    }
)  # fmt: skip
CUSTOM_KEYS = frozenset({"code", "owner", "playbook", "sentence", "actions", "version", "suppress", "canary"})
LEVELS = get_args(Level)
_CLOSE = 0.8
_UUID = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def read_meta(document: RuleDocument, semantic: object) -> RuleMeta:
    """Read the descriptive keys.

    Args:
        document: The rule.
        semantic: Everything that gives it its meaning, as plain data.

    Raises:
        ValueError: A key is misspelt or has a wrong value; the message says which.
    """
    content = document.content
    check_keys(document)
    level = str(content.get("level", "medium"))
    if level not in LEVELS:
        raise ValueError(f"level {level!r} is unknown{suggest(level, LEVELS) or '; use one of ' + ', '.join(LEVELS)}")
    for key in ("id", "name"):
        if isinstance(content.get(key), dict | list):
            raise ValueError(f"`{key}` is a list or mapping; write one text")  # noqa: TRY004  a fault of the text
    semantic_hash = hash_of(semantic)
    rule_id = content.get("id") or content.get("name") or semantic_hash
    return RuleMeta(
        id=str(rule_id),
        name=str(content.get("name") or rule_id),
        title=str(content.get("title", "(untitled)")),
        level=level,  # type: ignore[arg-type]  # checked above
        status=str(content.get("status", "experimental")),
        description=str(content.get("description", "")).strip(),
        author=str(content.get("author", "")),
        references=_texts(content.get("references")),
        tags=_texts(content.get("tags")),
        falsepositives=_texts(content.get("falsepositives")),
        custom={key: content[key] for key in CUSTOM_KEYS if key in content},
        path=document.path,
        line=document.line,
        semantic_hash=semantic_hash,
    )


def check_keys(document: RuleDocument, own: frozenset[str] = frozenset()) -> None:
    """Refuse a key that is one letter off a known one.

    Args:
        document: Of any kind.
        own: Keys that only its kind has.

    Raises:
        ValueError: A key is misspelt; the message says which.
    """
    known = STANDARD_KEYS | CUSTOM_KEYS | own
    for key in map(str, document.content):
        # Sigma allows keys of one's own; one letter off a known key is a slip.
        if key not in known and (close := difflib.get_close_matches(key, known, 1, _CLOSE)):
            raise ValueError(f"unknown key {key!r}; did you mean {close[0]!r}?")


def key_of(name: str) -> str:
    """Return a name or id as it is looked up: UUIDs are the same in either case."""
    return name.lower() if _UUID.fullmatch(name) else name


def suggest(word: str, choices: Iterable[str]) -> str:
    """Return ``; did you mean ...?`` when a choice is close."""
    found = difflib.get_close_matches(word, list(choices), 1, _CLOSE - 0.2)
    return f"; did you mean {found[0]!r}?" if found else ""


def hash_of(value: object) -> str:
    """Hash plain data, whatever the order of its keys."""
    text = msgspec.json.encode(_ordered(value))
    return hashlib.sha256(text).hexdigest()[:32]


def _ordered(value: Any) -> object:  # noqa: ANN401  plain data of any shape
    if isinstance(value, dict):
        return [[str(key), _ordered(value[key])] for key in sorted(value, key=str)]
    if isinstance(value, list | tuple):
        return [_ordered(each) for each in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _texts(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, list):
        return tuple(str(each) for each in value)
    return (str(value),)
