"""`isthmus eval --explain`: why a rule matched these events or did not."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from shutil import get_terminal_size
from typing import Any

import click
import msgspec

from detector.errors import RuleFault, UnknownRuleError
from detector.explaining.lookup import find_rule
from detector.explaining.nearest import Nearest, RuleExplanations
from detector.explaining.rule import RuleExplainer, notes_of
from detector.explaining.text import Line, lines_of
from detector.matching.grouping import SourceFields
from detector.rules.model import CorrelationRule, DetectionRule, LogSource, RuleSet

MAX_WIDTH = 120
"""Columns beyond which a line is hard to follow, however wide the terminal."""

_COLOURS = {"good": "green", "bad": "red"}


class Question(msgspec.Struct, frozen=True):
    """What was asked.

    Attributes:
        rule: Id, name or title of a rule.
        event: Position of the only event asked about; None: the nearest.
        nearest: How many events are explained.
        layout: `text` or `ndjson`.
    """

    rule: str
    event: int | None
    nearest: int
    layout: str


Batches = Iterable[Sequence[Mapping[str, Any]]]


def explain_rule(
    question: Question, ruleset: RuleSet, faults: Sequence[RuleFault], batches: Batches, fields: SourceFields
) -> None:
    """Explain a rule for the events that match it and those that came nearest, and print that.

    Args:
        question: What was asked.
        ruleset: The rules.
        faults: Rules that were refused.
        batches: Events.
        fields: Where an event names its log source.

    Raises:
        click.UsageError: There is no such rule or event.
    """
    rule = _asked_rule(question, ruleset, faults)
    if not isinstance(rule, DetectionRule):
        raise click.UsageError(f"--explain: {rule.meta.title!r} is a correlation")
    nearest = Nearest(RuleExplainer(rule, notes_of(rule, ruleset)), question.nearest)
    count = 0
    for index, event in enumerate(chain.from_iterable(batches)):
        count += 1
        if question.event in (None, index):
            nearest.add(index, event, _source(event, fields))
    if question.event is not None and question.event >= count:
        raise click.UsageError(f"--event {question.event}: there are {count} events, counted from 0")
    found = nearest.explanations()
    _print(found, _all_lines(found), question)


def _asked_rule(question: Question, ruleset: RuleSet, faults: Sequence[RuleFault]) -> DetectionRule | CorrelationRule:
    try:
        return find_rule(ruleset, question.rule)
    except UnknownRuleError as error:
        refused = [fault for fault in faults if fault.rule == question.rule]
        why = f"; it was refused: {refused[0]}" if refused else ""
        raise click.UsageError(f"--explain: {error}{why}") from error


def _all_lines(found: RuleExplanations) -> Iterable[Line]:
    for number, each in enumerate(found.explanations):
        if number:
            yield Line(0, "")
        yield from lines_of(each)
    if found.events > 1:
        yield Line(0, "")
        more = f"; {found.left_out} not shown, further away" if found.left_out else ""
        yield Line(0, f"{found.matched} of {found.events} events match{more}", None, "dim")
    elif not found.events:
        yield Line(0, f"{found.rule_title}: no events were given", None, "dim")


def _print(found: object, lines: Iterable[Line], question: Question) -> None:
    if question.layout == "ndjson":
        click.echo(msgspec.json.encode(found))
        return
    width = min(get_terminal_size((100, 24)).columns, MAX_WIDTH)
    for line in lines:
        # click leaves colours out where no terminal reads them.
        click.echo(_painted(line, width), color=False if os.environ.get("NO_COLOR") else None)


def _painted(line: Line, width: int) -> str:
    indent = "  " * line.depth
    mark = "" if line.held is None else "✓ " if line.held else "✗ "
    wrapped = textwrap.wrap(
        line.text, max(width, 40), initial_indent=indent + mark, subsequent_indent=indent + "  ", break_on_hyphens=False
    )
    text = "\n".join(wrapped)
    if line.tone == "dim":
        return click.style(text, dim=True)
    colour = _COLOURS.get(line.tone)
    return text if colour is None else text.replace(mark, click.style(mark, fg=colour, bold=True), 1)


def _source(event: Mapping[str, Any], fields: SourceFields) -> LogSource:
    values = (event.get(fields.category), event.get(fields.product), event.get(fields.service))
    return LogSource(*(value if isinstance(value, str) else None for value in values))
