"""Plain scalars of YAML 1.1 that are not what stands there: `yes` is true, 010 is 8 and 12:30:45 is 45,045.

Other tools read them in other ways, so a detection says what it means or is refused. Dates are texts: see `plaindata`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

_SECTIONS = frozenset({"detection", "filter"})
"""Keys of a rule below which a scalar is matched against events."""

_TAG = "tag:yaml.org,2002:"
_READ = frozenset({f"{_TAG}bool", f"{_TAG}int", f"{_TAG}float", f"{_TAG}null"})
"""What is not the text that stands there."""

_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_WORDS = frozenset({"true", "false"})

Surprise = tuple[int, str, str]
"""1-based line, what is wrong, what to write instead."""


def surprises(document: yaml.Node) -> Iterator[Surprise]:
    """Yield the scalars of a rule's detection, or filter, that YAML reads as something else.

    Args:
        document: Root of a composed document, of bounded depth and size.
    """
    if isinstance(document, yaml.MappingNode):
        for key, value in document.value:
            if isinstance(key, yaml.ScalarNode) and key.value in _SECTIONS:
                yield from _below(value)


def _below(node: yaml.Node) -> Iterator[Surprise]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag in _READ:
                yield _at(key, f"the key {key.value!r} is not text", f"quote it: '{key.value}'")
            yield from _below(value)
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _below(each)
    elif isinstance(node, yaml.ScalarNode) and node.tag in _READ:
        yield from _of_scalar(node)


def _of_scalar(node: yaml.ScalarNode) -> Iterator[Surprise]:
    text, kind = node.value, node.tag.removeprefix(_TAG)
    if kind == "bool" and text.lower() not in _WORDS:
        meant = "true" if text.lower() in {"yes", "on"} else "false"
        yield _at(node, f"{text} is read as {meant} by YAML 1.1", f"write {meant}, or quote it: '{text}'")
    elif kind == "int" and not _DECIMAL.fullmatch(text):
        number = yaml.constructor.SafeConstructor().construct_yaml_int(node)
        yield _at(node, f"{text} is read as {number} by YAML 1.1", f"write {number}, or quote it: '{text}'")
    elif kind == "float" and not _FLOAT.fullmatch(text):
        yield _at(node, f"{text} is no decimal number", f"write its digits, or quote it: '{text}'")


def _at(node: yaml.Node, what: str, instead: str) -> Surprise:
    return node.start_mark.line + 1, what, instead
