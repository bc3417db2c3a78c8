"""Files and documents of rules, with their place, and what can be wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from detector.errors import RuleFault
from detector.rules.plaindata import line_of, parse

MAX_BYTES = 4_000_000
"""Size of one file; the largest public rule has 300 kB."""

LOGSOURCES, PIPELINES = "logsources.yml", "pipelines"
"""A file and a folder among rules that hold no rules."""

_QUOTED = re.compile(r"(?<!\w)'[^'\n]{1,200}'|`[^`\n]{1,200}`|%\w{1,200}%")
_YAML_ADVICE = "check quotes, colons and indentation here"


class RuleFile(msgspec.Struct, frozen=True):
    """A file as read, or a text."""

    path: str
    content: bytes


class RuleDocument(msgspec.Struct, frozen=True):
    """One YAML document with its place.

    Attributes:
        path: File, or ``<text>``.
        line: 1-based line where it begins.
        content: The document.
        text: The whole file, to find the line of a key in.
        index: Which of the file's documents it is.
    """

    path: str
    line: int
    content: dict[str, Any]
    text: str = ""
    index: int = 0

    @property
    def title(self) -> str:
        """Title as written, for messages."""
        return str(self.content.get("title", self.content.get("name", "(untitled)")))[:200]

    @property
    def rule_id(self) -> str:
        """Id as written, else the name, for messages; empty without either."""
        return str(self.content.get("id") or self.content.get("name") or "")[:200]

    def fault(self, what: str, instead: str = "") -> RuleFault:
        """Return a fault of this document, at the line of the first quoted word of `what` that stands in it.

        Args:
            what: What is wrong; without `instead`, advice may follow after a semicolon.
            instead: What to write instead.
        """
        if not instead:
            what, _, instead = what.partition("; ")
        words = [found.strip("'`") for found in _QUOTED.findall(what)]
        line = line_of(self.text, self.index, words) if words and self.text else None
        return self.fault_at(line or self.line, what, instead)

    def fault_at(self, line: int, what: str, instead: str) -> RuleFault:
        """Return a fault of this document at a line of its file."""
        return RuleFault(self.path, line, self.title, what, instead, self.rule_id)


def read_files(source: str | Path, faults: list[RuleFault]) -> Iterator[RuleFile]:
    """Read a file, every rule file below a folder, or take a YAML text (a string with a line break).

    Args:
        source: Path or text.
        faults: Takes what cannot be read.
    """
    if isinstance(source, str) and "\n" in source:
        yield RuleFile("<text>", source.encode())
        return
    for path in rule_paths(Path(source)):
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            faults.append(RuleFault(str(path), 0, "", "does not exist", "give a rule file or a folder of them"))
        except OSError as error:
            faults.append(
                RuleFault(str(path), 0, "", f"cannot be read: {error.strerror}", "let the engine's user read")
            )
        else:
            if len(content) > MAX_BYTES:
                faults.append(RuleFault(str(path), 0, "", f"is larger than {MAX_BYTES} bytes", "split it"))
            else:
                yield RuleFile(str(path), content)


def rule_paths(path: Path) -> list[Path]:
    """Return the rule files below a folder in order; a path that is no folder as it is."""
    if not path.is_dir():
        return [path]
    return [
        each
        for each in sorted(path.rglob("*"))
        if each.suffix in {".yml", ".yaml"}
        and each.name != LOGSOURCES
        and PIPELINES not in each.relative_to(path).parts
    ]


def read_documents(source: str | Path, faults: list[RuleFault]) -> Iterator[RuleDocument]:
    """Read the documents of a file, of every rule file below a folder, or of a YAML text.

    Args:
        source: Path or text.
        faults: Takes what cannot be read.
    """
    for file in read_files(source, faults):
        yield from documents_of(file, faults)


def documents_of(file: RuleFile, faults: list[RuleFault]) -> Iterator[RuleDocument]:
    """Yield the documents of a file; after a fault of YAML nothing more of it can be read.

    Args:
        file: The file.
        faults: Takes what cannot be read.
    """
    try:
        text = file.content.decode("utf-8")
        for index, (line, content, surprises) in enumerate(parse(text)):
            if isinstance(content, dict):
                document = RuleDocument(file.path, line, content, text, index)
                faults.extend(document.fault_at(*each) for each in surprises)
                if not surprises:
                    yield document
            elif content is not None:
                faults.append(RuleFault(file.path, line, "", "is not a mapping", "a rule begins with `title:`"))
    except UnicodeDecodeError as error:
        line = file.content.count(b"\n", 0, error.start) + 1
        faults.append(RuleFault(file.path, line, "", "is not UTF-8", "save the file as UTF-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what, _, instead = str(getattr(error, "problem", None) or error).partition("; ")
        line = mark.line + 1 if mark else 0
        faults.append(RuleFault(file.path, line, "", f"is not valid YAML: {what}", instead or _YAML_ADVICE))
    except (ValueError, RecursionError) as error:
        faults.append(RuleFault(file.path, 0, "", f"is not valid YAML: {error}", _YAML_ADVICE))
