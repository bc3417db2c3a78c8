"""YAML to plain data: nothing but mappings, lists, texts, numbers, booleans and null, each key once, in bounds.

Stamps stay the text that they are: a rule that looks for ``2026-01-02`` looks for these characters.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import yaml

from detector.rules.plain import Surprise, surprises

MAX_DEPTH = 200
"""Levels of one document. The C parser recurses, so a deep one would end the process; rules have about six."""

MAX_VALUES = 200_000
"""Values of one document; an alias counts as often as it is used."""

MAX_PLACED = 500_000
"""Bytes of a file up to which the line of a key is looked for, which means to parse it again."""

_TAG = "tag:yaml.org,2002:"
_MAPPING, _LIST, _MERGE = f"{_TAG}map", f"{_TAG}seq", f"{_TAG}merge"
_TEXTS = frozenset({f"{_TAG}str", f"{_TAG}timestamp", f"{_TAG}value"})
_SCALARS = frozenset({f"{_TAG}int", f"{_TAG}float", f"{_TAG}bool", f"{_TAG}null"})


def parse(text: str) -> Iterator[tuple[int, Any, list[Surprise]]]:
    """Yield line and content of each document, and what in it would surprise its author.

    Raises:
        yaml.YAMLError: It is not YAML, a key stands twice, or there is too much of it.
        ValueError: A value cannot be read.
        RecursionError: An alias holds itself.
    """
    for node in _compose(text):
        content = _Reader().plain(node)
        yield node.start_mark.line + 1, content, list(dict.fromkeys(surprises(node)))


def line_of(text: str, index: int, words: list[str]) -> int | None:
    """Return the line of the first of some words that is a key or value of a document; None when none is.

    Args:
        text: A whole file.
        index: Which of its documents.
        words: Keys, parts of keys between ``|``, or whole values.
    """
    if len(text) > MAX_PLACED:
        return None
    nodes = _composed(text)
    places = dict[str, int]()
    for key, line in _places(nodes[index]):
        places.setdefault(key, line)
    return next((places[word] for word in words if word in places), None)


@lru_cache(maxsize=1)
def _composed(text: str) -> list[yaml.Node]:
    return list(_compose(text))


def _compose(text: str) -> Iterator[yaml.Node]:
    if _may_be_deep(text):
        _check_depth(text)
    loader = yaml.CSafeLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                return
            yield node
    finally:
        loader.dispose()


def _may_be_deep(text: str) -> bool:
    """Bound the depth from above without parsing: brackets nest, and so does each further column."""
    if text.count("[") + text.count("{") > MAX_DEPTH:
        return True
    return any(len(line) - len(line.lstrip(" -?:")) > MAX_DEPTH // 2 for line in text.splitlines())


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _fault(event, f"more than {MAX_DEPTH} levels; flatten it")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Reader:
    """Reads one document."""

    def __init__(self) -> None:
        self._scalars = yaml.SafeLoader("")
        self._left = MAX_VALUES

    def plain(self, node: yaml.Node) -> Any:  # noqa: ANN401  YAML can be anything
        """Return a node's content."""
        tag = node.tag
        if tag in _TEXTS:
            return node.value
        if tag == _MAPPING and isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if tag == _LIST and isinstance(node, yaml.SequenceNode):
            self._count(node)
            return [self.plain(each) for each in node.value]
        if tag in _SCALARS:
            return self._scalars.construct_object(node)
        raise _fault(node, f"{tag} is no plain data")

    def _mapping(self, node: yaml.MappingNode) -> dict[Any, Any]:
        self._count(node)
        content, merged = dict[Any, Any](), dict[Any, Any]()
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                for each in value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]:
                    merged = self._merged(each) | merged
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise _fault(key_node, "a key is a list or mapping; write it as a text")
            key = self.plain(key_node)
            if key in content:
                raise _fault(key_node, f"key {key!r} stands twice; keep one of them")
            content[key] = self.plain(value_node)
        return merged | content if merged else content

    def _merged(self, node: yaml.Node) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise _fault(node, "`<<` takes a mapping or a list of mappings")
        return self._mapping(node)

    def _count(self, node: yaml.CollectionNode) -> None:
        self._left -= len(node.value) + 1
        if self._left < 0:
            raise _fault(node, f"more than {MAX_VALUES} values; split the rule")


def _fault(place: yaml.Node | yaml.Event, what: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=place.start_mark)  # type: ignore[arg-type]  # of C's class


def _places(node: yaml.Node) -> Iterator[tuple[str, int]]:
    """Yield keys, their parts and values with their lines: first all keys from the top downwards, then values."""
    level, values = [node], list[tuple[str, int]]()
    while level:
        below = list[yaml.Node]()
        for each in level:
            if isinstance(each, yaml.MappingNode):
                for key, value in each.value:
                    line = key.start_mark.line + 1
                    yield str(key.value), line
                    for part in str(key.value).split("|"):
                        yield part, line
                    below.append(value)
            elif isinstance(each, yaml.SequenceNode):
                below.extend(each.value)
            else:
                values.append((str(each.value), each.start_mark.line + 1))
        level = below
    yield from values
