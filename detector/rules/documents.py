"""YAML documents of rules: read safely, with their place, and without duplicate keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from detector.errors import RuleFault

MAX_BYTES = 4_000_000
"""Size of one file; the largest public rule has 300 kB."""

MAX_NODES = 200_000
"""Values of one document once aliases are followed."""


class RuleDocument(msgspec.Struct, frozen=True):
    """One YAML document with its place."""

    path: str
    line: int
    content: dict[str, Any]

    @property
    def title(self) -> str:
        """Title as written, for messages."""
        return str(self.content.get("title", self.content.get("name", "(untitled)")))[:200]

    def fault(self, what: str, instead: str = "") -> RuleFault:
        """Return a fault at this document."""
        return RuleFault(self.path, self.line, self.title, what, instead)


class _Loader(yaml.CSafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set[str]()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key_node.value!r} stands twice", key_node.start_mark
                    )
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def read_documents(source: str | Path, faults: list[RuleFault]) -> Iterator[RuleDocument]:
    """Read a file, every rule file below a folder, or a YAML text (a string with a line break).

    Args:
        source: Path or text.
        faults: Takes what cannot be read.
    """
    if isinstance(source, str) and "\n" in source:
        yield from _parse("<text>", source, faults)
        return
    path = Path(source)
    if not path.exists():
        faults.append(RuleFault(str(path), 0, "", "does not exist", "give a rule file or a folder of them"))
        return
    files = sorted(each for each in path.rglob("*") if each.suffix in {".yml", ".yaml"}) if path.is_dir() else [path]
    for file in files:
        if file.name == "logsources.yml" or "pipelines" in file.parts:
            continue
        if file.stat().st_size > MAX_BYTES:
            faults.append(RuleFault(str(file), 0, "", f"is larger than {MAX_BYTES} bytes", "split it"))
            continue
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            faults.append(RuleFault(str(file), 0, "", f"cannot be read: {error}", "save it as UTF-8"))
            continue
        yield from _parse(str(file), text, faults)


def _parse(path: str, text: str, faults: list[RuleFault]) -> Iterator[RuleDocument]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            line = node.start_mark.line + 1
            content = loader.construct_document(node)
            if content is None:
                continue
            if not isinstance(content, dict):
                faults.append(RuleFault(path, line, "", "is not a mapping", "a rule begins with `title:`"))
            elif _is_too_large(content):
                faults.append(RuleFault(path, line, "", f"has more than {MAX_NODES} values", "split the rule"))
            else:
                yield RuleDocument(path, line, content)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error)
        faults.append(RuleFault(path, mark.line + 1 if mark else 0, "", f"is not valid YAML: {what}", ""))
    except (ValueError, RecursionError) as error:
        faults.append(RuleFault(path, 0, "", f"is not valid YAML: {error}", ""))
    finally:
        loader.dispose()


def _is_too_large(content: object) -> bool:
    """Count values as a reader would meet them: an alias counts each time it is used."""
    stack: list[object] = [content]
    count = 0
    while stack:
        count += 1
        if count > MAX_NODES:
            return True
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
            stack.extend(value)
    return False
