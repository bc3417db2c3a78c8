"""`isthmus eval`: Sigma rules against JSON events, without any pipeline of ours."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from detector.alerting.times import utc
from detector.cli.explaining import Question, explain_rule
from detector.cli.faults import report_faults
from detector.cli.options import epochs_option, no_cache_option, pipeline_option, placeholders_option, read_placeholders
from detector.duration import parse_duration
from detector.engine import Engine
from detector.errors import RuleFault, SettingsError
from detector.evaluation import BATCH, BatchEvaluator, Evaluated, time_of
from detector.matching.grouping import SourceFields
from detector.redating import redated
from detector.rules.cache import open_cache
from detector.rules.condition import TIME_FIELD
from detector.rules.loader import load_rules
from detector.runtime.epochsfile import read_epochs
from normalizers.clock.hindsight import Hindsight

MAX_LINE = 16 << 20

EXAMPLES = """\b
Examples:
  isthmus eval -r rules/ -e events.ndjson
  zcat day.ndjson.gz | isthmus eval -r my_rule.yml -e - --format text --stats
  isthmus eval -r my_rule.yml -e events.ndjson --explain "My rule"
  isthmus eval -r my_rule.yml -e events.ndjson --epochs epochs.ndjson
"""


_REMEDIES = {
    "placeless": "events told travel correlations no place: give the field that `place` names, or coordinates beside"
    " it",
    "distanceless": "moves were not judged, as nothing says how far their ends are apart: give coordinates beside the"
    " place (`convergence.location.geo: 52.5,13.4`, ECS `geo.location`), or use the places of a locations table"
    " (`isthmus replay`)",
}
"""What a batch needs that context would have joined; reason to what to do about it."""


class Events:
    """JSON events of a file, one a line; what is none is reported and skipped, so that positions stay.

    Args:
        file: Opened for reading.
        name: For messages.
        hindsight: What is known of clocks afterwards, for events to be dated by.
        time_field: Where an event's time stands.
    """

    def __init__(self, file: BinaryIO, name: str, hindsight: Hindsight | None, time_field: str) -> None:
        self._file = file
        self._name = name
        self._hindsight = hindsight
        self._time_field = time_field
        self._decoder = msgspec.json.Decoder(dict[str, Any])
        self.read = 0
        self.bad = 0

    def __iter__(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield events in batches."""
        numbered = ((number, text) for number, line in enumerate(self._file, start=1) if (text := line.strip()))
        while lines := list(islice(numbered, BATCH)):
            self.read += len(lines)
            events = self._all_at_once([text for _, text in lines]) or [self._one(*line) for line in lines]
            yield events if self._hindsight is None else redated(events, self._hindsight, self._time_field)

    def _all_at_once(self, lines: list[bytes]) -> list[dict[str, Any]] | None:
        # A line that ends inside an object cannot go on in a line that begins one: both must be errors.
        if any(line[:1] != b"{" or line[-1:] != b"}" or len(line) > MAX_LINE for line in lines):
            return None
        try:
            events = self._decoder.decode_lines(b"\n".join(lines))
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
        return events if len(events) == len(lines) else None

    def _one(self, number: int, text: bytes) -> dict[str, Any]:
        try:
            if len(text) > MAX_LINE:
                raise ValueError(f"is longer than {MAX_LINE} bytes")  # noqa: TRY301  one place that reports
            return self._decoder.decode(text)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            self.bad += 1
            click.echo(f"{self._name}:{number}: not a JSON object: {error}; skipped", err=True)
            return {}


@click.command(name="eval", short_help="Evaluate Sigma rules against JSON events.", epilog=EXAMPLES)
@click.option(
    "-r",
    "--rules",
    "rules",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Rule file or folder; repeat for several.",
)
@click.option(
    "-e",
    "--events",
    required=True,
    type=click.Path(path_type=Path, allow_dash=True),
    help="JSON events, one a line; - for standard input.",
)
@pipeline_option
@placeholders_option
@click.option("--time-field", default="@timestamp", show_default=True, help="Where an event's time stands.")
@click.option("--lateness", help="Take input order as arrival order, and events as late beyond this, such as 10s.")
@click.option(
    "--format", "layout", type=click.Choice(["ndjson", "text"]), help="Default: ndjson; with --explain, text."
)
@click.option("--explain", metavar="RULE", help="Say why this rule matched or did not: its id, name or title.")
@click.option("--event", type=click.IntRange(0), help="With --explain: only the event at this position, from 0.")
@click.option(
    "--nearest",
    default=5,
    show_default=True,
    type=click.IntRange(1, 1_000),
    help="With --explain: how many matches, and how many of the nearest misses, are explained.",
)
@epochs_option
@no_cache_option
@click.option("--stats", is_flag=True, help="Print counts and the rate on standard error.")
@click.option("--product-field", default="product", show_default=True, help="Field with the log source's product.")
@click.option("--category-field", default="category", show_default=True, help="Field with its category.")
@click.option("--service-field", default="service", show_default=True, help="Field with its service.")
def evaluate(  # noqa: PLR0913, PLR0917  one a command-line option
    rules: tuple[Path, ...],
    events: Path,
    pipelines: tuple[str, ...],
    lists: Path | None,
    time_field: str,
    lateness: str | None,
    layout: str | None,
    explain: str | None,
    event: int | None,
    nearest: int,
    epochs: Path | None,
    *,
    no_cache: bool,
    stats: bool,
    product_field: str,
    category_field: str,
    service_field: str,
) -> None:
    """Evaluate rules against events that are JSON already; nothing is normalized or enriched.

    One line a match or alert, sorted by time and event. A rule is skipped only when the event's log source
    contradicts it; events without one meet every rule. Exit code 1 when rules or events had faults.

    With --explain, instead: which part of that rule's condition held for the events that came nearest, which did not
    and why; of a correlation, which events reached it, in which window, and what it still misses.
    """
    try:
        lateness_ns = None if lateness is None else int(parse_duration(lateness))
    except ValueError as error:
        raise click.UsageError(f"--lateness: {error}") from error
    hindsight = _hindsight(epochs)
    faults = list[RuleFault]()
    placeholders = read_placeholders(lists, faults)
    cache = open_cache(enabled=not no_cache)
    ruleset = load_rules(list(rules), pipelines=pipelines, placeholders=placeholders, faults=faults, cache=cache)
    engine = Engine(ruleset)
    report_faults(faults)
    for note in engine.ruleset.notes:
        click.echo(f"note: {note}", err=True)
    fields = SourceFields(category_field, product_field, service_field)
    try:
        file: BinaryIO = sys.stdin.buffer if str(events) == "-" else events.open("rb")
    except OSError as error:
        raise click.UsageError(f"{events}: {error.strerror}") from error
    with file:
        source = Events(file, str(events), hindsight, time_field)
        if explain is not None:
            question = Question(explain, event, nearest, layout or "text", time_field, fields, lateness_ns)
            explain_rule(question, engine, faults, (_with_time(engine, some, time_field) for some in source))
        else:
            batch = BatchEvaluator(
                engine.ruleset,
                lambda some: engine.match_batch(_with_time(engine, some, time_field), fields),
                time_field=time_field,
                lateness_ns=lateness_ns,
            )
            _evaluate(engine, batch, source, layout=layout or "ndjson", stats=stats)
    if faults or source.bad:
        sys.exit(1)


def _hindsight(epochs: Path | None) -> Hindsight | None:
    try:
        return None if epochs is None else read_epochs(epochs)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


def _with_time(engine: Engine, some: Sequence[Mapping[str, Any]], time_field: str) -> Sequence[Mapping[str, Any]]:
    """Put an event's time where the ends of filters look for it."""
    if not engine.reads_time or time_field == TIME_FIELD:
        return some
    return [{**event, TIME_FIELD: time_of(event, time_field)} for event in some]


def _evaluate(engine: Engine, batch: BatchEvaluator, source: Events, *, layout: str, stats: bool) -> None:
    began = time.perf_counter()
    found = batch.evaluate(source)
    for each in found:
        click.echo(_line(each, layout))
    if batch.untimed:
        click.echo(f"{batch.untimed} events without a time met no correlation; see --time-field", err=True)
    left_out = batch.left_out()
    for reason, remedy in _REMEDIES.items():
        if left_out[reason]:
            click.echo(f"{left_out[reason]} {remedy}", err=True)
    if stats:
        _print_stats(engine, source, found, time.perf_counter() - began)


def _line(found: Evaluated, layout: str) -> str:
    moment = None if found.time_ns is None else utc(found.time_ns)
    if layout == "text":
        where = ",".join(map(str, found.event_indexes))
        group = f"  [{', '.join(str(each) for each in found.group)}]" if found.group else ""
        return f"{moment or '-':<28}  {found.rule_title}  (events {where}){group}"
    row: dict[str, Any] = {"rule_id": found.rule_id, "rule_title": found.rule_title, "rule_name": found.rule_name}
    if len(found.event_indexes) == 1 and not found.group:
        row["event_index"] = found.event_indexes[0]
    else:
        row["event_indexes"] = list(found.event_indexes)
    row |= {"time": moment, "group": list(found.group)}
    return msgspec.json.encode(row).decode()


def _print_stats(engine: Engine, source: Events, found: list[Evaluated], wall_s: float) -> None:
    click.echo(
        f"{engine.ruleset.count} rules, {source.read} events, {len(found)} matches, {source.bad} unreadable, "
        f"{sum(engine.failures.values())} rule failures, {engine.cut} events cut, {wall_s:.2f} s, "
        f"{source.read / max(wall_s, 1e-9):,.0f} events/s",
        err=True,
    )
