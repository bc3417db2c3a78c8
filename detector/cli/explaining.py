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

from detector.engine import Engine
from detector.errors import RuleFault, UnknownRuleError
from detector.explaining.correlations.correlation import CorrelationExplainer
from detector.explaining.correlations.gathering import Gathered, source_of
from detector.explaining.correlations.lines import lines_of_correlation
from detector.explaining.correlations.model import CorrelationExplanation
from detector.explaining.lookup import find_rule
from detector.explaining.nearest import Nearest, RuleExplanations
from detector.explaining.rule import RuleExplainer, notes_of
from detector.explaining.text import Line, lines_of
from detector.explaining.wording import harmless
from detector.matching.grouping import SourceFields
from detector.rules.model import CorrelationRule, DetectionRule, RuleSet

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
        time_field: Where an event's time stands.
        sources: Where an event names its log source.
        lateness_ns: When an event is late, where input order is arrival; None: order of time counts.
    """

    rule: str
    event: int | None
    nearest: int
    layout: str
    time_field: str
    sources: SourceFields
    lateness_ns: int | None = None


Batches = Iterable[Sequence[Mapping[str, Any]]]


def explain_rule(question: Question, engine: Engine, faults: Sequence[RuleFault], batches: Batches) -> None:
    """Explain a rule for the events that match it and those that came nearest, or a correlation; and print that.

    Args:
        question: What was asked.
        engine: The rules.
        faults: Rules that were refused.
        batches: Events.

    Raises:
        click.UsageError: There is no such rule or event, or events came late to a correlation.
    """
    rule = _asked_rule(question, engine.ruleset, faults)
    if isinstance(rule, DetectionRule):
        found = _events_of(question, rule, engine.ruleset, batches)
        _print(found, _all_lines(found), question)
    elif question.event is None:
        told = _correlation(question, rule, engine, batches)
        _print(told, lines_of_correlation(told), question)
    else:
        parts = _parts_of(question, rule, engine.ruleset, batches)
        _print(parts, _all_lines(parts), question)


def _events_of(question: Question, rule: DetectionRule, ruleset: RuleSet, batches: Batches) -> RuleExplanations:
    nearest = Nearest(RuleExplainer(rule, notes_of(rule, ruleset)), question.nearest)
    count = 0
    for index, event in enumerate(chain.from_iterable(batches)):
        count += 1
        if question.event in (None, index):
            nearest.add(index, event, source_of(event, question.sources))
    _check_event(question, count)
    return nearest.explanations()


def _correlation(question: Question, rule: CorrelationRule, engine: Engine, batches: Batches) -> CorrelationExplanation:
    gathered = Gathered(engine.ruleset, rule, question.lateness_ns)
    sourced = ((some, [source_of(event, question.sources) for event in some]) for some in batches)
    gathered.read(sourced, lambda some: engine.match_batch(some, question.sources), question.time_field)
    if gathered.late:
        index, behind_ns = next(iter(gathered.late.items()))
        raise click.UsageError(
            f"--explain: {len(gathered.late)} events of this rule came later than --lateness, the first at position "
            f"{index}, {behind_ns / 1e9:g} s behind: what was decided before they came does not follow from the events "
            "as they are now; leave --lateness out to ask what they mean all together"
        )
    return CorrelationExplainer(engine.ruleset, rule, gathered).explain()


def _parts_of(question: Question, rule: CorrelationRule, ruleset: RuleSet, batches: Batches) -> RuleExplanations:
    """Explain one event for each detection that a correlation stands on."""
    events = list(chain.from_iterable(batches))
    _check_event(question, len(events))
    index = question.event or 0
    source = source_of(events[index], question.sources)
    explainers = [RuleExplainer(each, notes_of(each, ruleset)) for each in Gathered(ruleset, rule).rules.values()]
    told = tuple(explainer.explain(events[index], source, index) for explainer in explainers)
    matched = sum(each.matched for each in told)
    return RuleExplanations(
        rule_id=rule.meta.id, rule_title=rule.meta.title, events=1, matched=min(matched, 1), explanations=told
    )


def _check_event(question: Question, count: int) -> None:
    if question.event is not None and question.event >= count:
        raise click.UsageError(f"--event {question.event}: there are {count} events, counted from 0")


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
        harmless(line.text),
        max(width, 40),
        initial_indent=indent + mark,
        subsequent_indent=indent + "  ",
        break_on_hyphens=False,
    )
    text = "\n".join(wrapped)
    if line.tone == "dim":
        return click.style(text, dim=True)
    colour = _COLOURS.get(line.tone)
    return text if colour is None else text.replace(mark, click.style(mark, fg=colour, bold=True), 1)
