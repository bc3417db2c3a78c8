"""Processing pipelines: pySigma's YAML, the bundled ones, and those that installed pySigma plugins bring.

Several are merged by priority, the lowest first; equal priorities keep the order in which they were given. What
pySigma does to the text of a query (`postprocessing`, `finalizers`) has no meaning here and is left out.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml
from sigma.exceptions import SigmaError
from sigma.policy.profiles import SafePolicy
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.transformations import transformations

from detector.errors import RuleFault
from detector.rules.bundled import bundled_rules
from detector.rules.documents import MAX_BYTES, read_documents
from detector.rules.meta import suggest
from detector.rules.plugins import plugin_pipeline

MAX_ITEMS = 2_000
"""Transformations of one file; the largest public pipeline has below 200."""

MAX_TARGETS = 10
"""Fields to which one may be mapped: each stands for as many parts of a condition."""

_OF_QUERIES = frozenset({"postprocessing", "finalizers"})
_KEYS = frozenset({"name", "priority", "transformations", "vars", "allowed_backends"}) | _OF_QUERIES
_SUFFIXES = frozenset({".yml", ".yaml"})
_OUTSIDE = {
    "file_placeholders": "reads files",
    "http_placeholders": "asks servers",
    "command_placeholders": "runs commands",
}
"""Transformations that a pipeline must not have, and why."""
_INSTEAD = "give lists by --placeholders or the context table `lists`"


class _Read(NamedTuple):
    pipeline: ProcessingPipeline
    text: str


def read_pipelines(names: Sequence[str | Path], faults: list[RuleFault]) -> tuple[ProcessingPipeline | None, str]:
    """Read pipelines and merge them.

    Args:
        names: Each a file or folder when it looks like a path or exists, else the name of a bundled pipeline, else
            that of an installed pySigma plugin's.
        faults: Takes what cannot be used.

    Returns:
        The merged pipeline, None without any; and a hash of their texts, for the rules' semantic hashes.
    """
    found = [each for name in names for each in _read(name, faults)]
    if not found:
        return None, ""
    found.sort(key=lambda each: each.pipeline.priority)
    merged = sum((each.pipeline for each in found), start=ProcessingPipeline())
    return merged, hashlib.sha256("\x00".join(each.text for each in found).encode()).hexdigest()[:32]


def is_path(name: str | Path) -> bool:
    """Return whether a pipeline's name looks like that of a file or folder."""
    return isinstance(name, Path) or "/" in name or "\\" in name or Path(name).suffix in _SUFFIXES


def bundled_pipelines() -> dict[str, Path]:
    """Return the pipelines that come with the product, by name."""
    return {path.stem: path for path in sorted((bundled_rules() / "pipelines").glob("*.yml"))}


def _read(name: str | Path, faults: list[RuleFault]) -> Iterator[_Read]:
    bundled = bundled_pipelines()
    path = Path(name)
    if is_path(name) or path.exists():
        files = sorted(each for each in path.rglob("*") if each.suffix in _SUFFIXES) if path.is_dir() else [path]
        for file in files:
            yield from _read_file(file, faults)
    elif str(name) in bundled:
        yield from _read_file(bundled[str(name)], faults)
    else:
        try:
            yield _Read(*plugin_pipeline(str(name), bundled))
        except ValueError as error:
            faults.append(msgspec.structs.replace(_fault(0, str(error)), path=str(name)))


def _read_file(path: Path, faults: list[RuleFault]) -> Iterator[_Read]:
    found = list[RuleFault]()
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"is larger than {MAX_BYTES} bytes; split it")  # noqa: TRY301  one place that makes faults
        text = path.read_text(encoding="utf-8")
        documents = list(read_documents(f"{text}\n", found))
        if len(documents) > 1 or (not documents and not found):
            raise ValueError(f"holds {len(documents)} documents; a pipeline is one")  # noqa: TRY301
        pipeline = _built(documents[0].content, _item_lines(text), found) if documents else None
    except OSError as error:
        found.append(_fault(0, f"cannot be read: {error.strerror}; give a pipeline's file or name"))
    except ValueError as error:
        found.append(_fault(0, str(error)))
    else:
        if pipeline is not None and not found:
            yield _Read(pipeline, text)
    faults.extend(msgspec.structs.replace(fault, path=str(path), rule="pipeline") for fault in found)


def _built(content: dict[str, Any], lines: Sequence[int], faults: list[RuleFault]) -> ProcessingPipeline | None:
    """Make a pipeline; each item that is wrong is a fault of its own."""
    faults.extend(
        _fault(1, f"unknown key {key!r}{suggest(key, _KEYS) or '; remove it'}")
        for key in sorted(map(str, content.keys() - _KEYS))
    )
    items = [] if (given := content.get("transformations")) is None else given
    if not isinstance(items, list) or len(items) > MAX_ITEMS:
        raise ValueError(f"`transformations` is not a list of at most {MAX_ITEMS} items; split it")
    for line, item in zip(lines, items, strict=True):
        try:
            _check_item(item)
            # What reads files, servers or template variables is refused by the policy as well.
            ProcessingItem.from_dict(copy.deepcopy(item), policy=SafePolicy)
        except (SigmaError, ValueError, TypeError, KeyError, AttributeError) as error:
            faults.append(_fault(line, _readable(error, item)))
    if faults:
        return None
    kept = {key: value for key, value in content.items() if key not in _OF_QUERIES}
    try:
        return ProcessingPipeline.from_dict({**kept, "priority": int(content.get("priority") or 0)}, policy=SafePolicy)
    except (SigmaError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"cannot be used: {error}; see pySigma's pipeline format") from error


def _check_item(item: object) -> None:
    if not isinstance(item, dict):
        raise ValueError("is not a mapping; a transformation has `id`, `type` and what the type needs")  # noqa: TRY004
    kind = str(item.get("type"))
    if kind in _OUTSIDE:
        raise ValueError(f"{kind} {_OUTSIDE[kind]}, which a pipeline must not; {_INSTEAD}")
    if kind not in transformations:
        raise ValueError(f"unknown transformation {kind!r}{suggest(kind, transformations) or '; see pySigma'}")
    for inner in _nested(item):
        _check_item(inner)
    if _fan_out(item) > MAX_TARGETS:
        raise ValueError(f"makes more than {MAX_TARGETS} of one; name those that events have")


def _nested(item: dict[str, Any]) -> list[Any]:
    items = item.get("items") if item.get("type") == "nest" else None
    return items if isinstance(items, list) else []


def _fan_out(item: dict[str, Any]) -> int:
    """Return into how many an item may turn one field or value."""
    mapping = item.get("mapping")
    targets = mapping.values() if isinstance(mapping, dict) else ()
    widest = max((len(each) for each in targets if isinstance(each, list)), default=1)
    return math.prod(map(_fan_out, _nested(item)), start=widest)


def _item_lines(text: str) -> list[int]:
    """Return the lines on which the transformations begin."""
    node = yaml.compose(text, Loader=yaml.CSafeLoader)
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == "transformations" and isinstance(value, yaml.SequenceNode):
            return [item.start_mark.line + 1 for item in value.value]
    return []


def _readable(error: Exception, item: object) -> str:
    name = item.get("id", item.get("type")) if isinstance(item, dict) else None
    return f"item {name!r}: {error}" if name is not None else str(error)


def _fault(line: int, message: str) -> RuleFault:
    what, _, instead = message.partition("; ")
    return RuleFault("", line, "pipeline", what, instead)
