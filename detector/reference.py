"""Writes the reference pages from the code: ``python -m detector.reference docs/reference``."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import msgspec

from connectors import settings as inputs
from connectors.elasticsearch import settings as elasticsearch
from connectors.kafka import settings as kafka
from detector import canarysettings, clocksettings, kafkasettings, settings
from detector.__main__ import COMMANDS, main
from detector.alerting.sinks import settings as sinks
from detector.duration import Duration
from detector.explaining import model as explaining
from detector.explaining.correlations import model as correlations
from detector.explaining.nearest import RuleExplanations
from detector.runtime.audit import ACTIONS
from normalizers.context.columns import TABLES
from normalizers.described import KINDS
from normalizers.registry import NORMALIZERS

_STRUCTS: tuple[type[msgspec.Struct], ...] = (
    settings.Settings,
    settings.SourceSettings,
    clocksettings.ClockSettings,
    settings.SilenceSettings,
    settings.ContextSettings,
    canarysettings.CanarySettings,
    settings.HttpSettings,
    settings.CacheSettings,
    settings.RetentionSettings,
    kafkasettings.KafkaSettings,
    kafkasettings.KafkaPartitions,
    kafkasettings.FanOut,
    kafka.KafkaTopics,
    kafka.KafkaTopic,
    kafka.KafkaConnection,
    kafka.KafkaTls,
    kafka.KafkaSasl,
    inputs.HttpPush,
    inputs.SyslogTcp,
    inputs.SyslogUdp,
    inputs.FileTail,
    inputs.Folder,
    inputs.Sender,
    inputs.Tls,
    sinks.NdjsonSink,
    sinks.WebhookSink,
    sinks.ElasticsearchSink,
    sinks.KafkaSink,
    elasticsearch.Elasticsearch,
)
_EXPLANATIONS: tuple[type[msgspec.Struct], ...] = (
    RuleExplanations,
    explaining.Explanation,
    explaining.SourceCheck,
    explaining.Part,
    explaining.Comparison,
    correlations.CorrelationExplanation,
    correlations.RuleSeen,
    correlations.GroupSeen,
    correlations.WindowSeen,
    correlations.Seen,
)
_ATTRIBUTE = re.compile(r"^ {4}(?P<name>\w+): (?P<text>.+(?:\n {8,}.+)*)", re.MULTILINE)
_HEAD = "<!-- Made from the code by `python -m detector.reference docs/reference`; edit the docstrings instead. -->"


def pages() -> dict[str, str]:
    """Return the reference pages by file name."""
    return {
        "settings.md": _page("Settings of isthmus.yml", _settings()),
        "cli.md": _page("The isthmus command", _commands()),
        "explanations.md": _page("Explanations as JSON", _explanations()),
        "audit.md": _page("The audit log", _audit()),
        "fields.md": _page("Datasets, actions and context tables", _fields()),
    }


def _page(title: str, lines: Iterator[str]) -> str:
    return "\n".join([f"# {title}", "", _HEAD, "", *lines]).rstrip() + "\n"


def _settings() -> Iterator[str]:
    for struct in _STRUCTS:
        yield from _struct(struct, "setting")


def _explanations() -> Iterator[str]:
    yield "What `isthmus eval --explain RULE --format ndjson` prints: for a rule a RuleExplanations, for a correlation"
    yield "a CorrelationExplanation. What has its default is left out."
    yield ""
    for struct in _EXPLANATIONS:
        yield from _struct(struct, "key")


def _struct(struct: type[msgspec.Struct], called: str) -> Iterator[str]:
    tag = struct.__struct_config__.tag
    document = inspect.cleandoc(struct.__doc__ or "")
    yield f"## {struct.__name__}{f' (`type: {tag}`)' if tag else ''}"
    yield ""
    yield document.split("\n\n")[0].split("\nAttributes:")[0]
    yield ""
    yield f"| {called} | default | meaning |"
    yield "|---|---|---|"
    texts = {found["name"]: " ".join(found["text"].split()) for found in _ATTRIBUTE.finditer(document)}
    for field in msgspec.structs.fields(struct):
        yield f"| `{field.name}` | {_default(field)} | {texts.get(field.name, '')} |"
    yield ""


def _default(field: Any) -> str:  # noqa: ANN401  msgspec's FieldInfo
    value = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if value is msgspec.NODEFAULT:
        return "required"
    if isinstance(value, msgspec.Struct):
        return "see below"
    if isinstance(value, Duration):
        return f"`{int(value) / 1e9:g}s`"
    return f"`{value}`" if value not in (None, "", [], {}) else "none"


def _commands() -> Iterator[str]:
    yield inspect.cleandoc(main.help or "")
    yield ""
    for name in sorted(COMMANDS):
        command = main.get_command(click.Context(main), name)
        if command is not None:
            yield from _command(f"isthmus {name}", command)


def _command(path: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=path, max_content_width=100, terminal_width=100)
    yield from (f"## {path}", "", "```", command.get_help(context), "```", "")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from _command(f"{path} {name}", below)


def _audit() -> Iterator[str]:
    yield "What was done to the engine: JSON documents in the topic `isthmus.audit.v1`, kept 400 days under the name of"
    yield "the process as key; embedded, the newest 100,000 in the table `audit` of `engine.db`. Read them with"
    yield "`isthmus audit`. `event.action` says what was done, `observer.name` by which process or `user@host`, and"
    yield "`convergence.audit` holds the facts. A text is cut at 1,000 characters, a list at 50. Bundle and settings"
    yield "are hashes; no secret is ever part of a record."
    yield from ("", "| `event.action` | when | facts |", "|---|---|---|")
    for action, (meaning, facts) in ACTIONS.items():
        yield f"| `{action}` | {meaning} | {', '.join(f'`{fact}`' for fact in facts)} |"


def _fields() -> Iterator[str]:
    yield from ("## Datasets", "", "| dataset | what it reads |", "|---|---|")
    for dataset, path in sorted(NORMALIZERS.items()):
        summary = (import_module(path.partition(":")[0]).__doc__ or "").strip().split("\n")[0]
        yield f"| `{dataset}` | {summary.rstrip(':')} |"
    yield from ("", "## Actions (`event.action`)", "", "| action | category | type | outcome |", "|---|---|---|---|")
    for action, kind in sorted(KINDS.items()):
        yield f"| `{action}` | {kind.category} | {kind.type} | {kind.outcome or ''} |"
    yield from ("", "## Context tables", "", "| table | columns |", "|---|---|")
    for name, table in TABLES.items():
        yield f"| `{name}` | {', '.join(f'`{column}`' for column in table.columns)} |"


if __name__ == "__main__":
    for file, text in pages().items():
        (Path(sys.argv[1]) / file).write_text(text, encoding="utf-8")
