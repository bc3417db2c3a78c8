"""`isthmus inspect`: what the engine makes of somebody's own records."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import msgspec

from connectors.errors import ConnectorError
from connectors.file_replay import replay_file
from connectors.recognition import recognise
from connectors.record import Document, RawRecord, record_id
from detector.alerting.times import utc
from detector.engine import Engine
from detector.errors import RuleErrors, SettingsError
from detector.rules.logsources import LogSourceMap, contradicts
from detector.rules.model import DetectionRule, LogSource
from detector.runtime.assembly import read_rules
from detector.runtime.clock import SystemClock
from detector.settings import Settings, load_settings
from normalizers.clock.fixed import correct_fixed
from normalizers.context.enrich import Enricher
from normalizers.context.store import ContextStore
from normalizers.context.tables import load_context
from normalizers.errors import ContextErrors, NormalizerError
from normalizers.event import EcsEvent
from normalizers.registry import NORMALIZERS, normalizer_for
from normalizers.source import SourceProfile

_UNKNOWN = ("convergence.person.status", "convergence.conduit.verdict", "convergence.schedule.verdict")


class Inspector:
    """Takes records through recognition, normalizing, context and matching, and keeps what each step said."""

    def __init__(self, settings: Settings, profile: SourceProfile, dataset: str | None) -> None:
        self._profile = profile
        self._dataset = dataset
        store = ContextStore()
        if settings.context.folder is not None:
            for rows in load_context(settings.context.folder):
                store.apply(rows)
        self._enricher = Enricher(store)
        self._engine = Engine(read_rules(settings))
        self._logsources = LogSourceMap.bundled()

    def report(self, value: bytes, received_ns: int) -> dict[str, Any]:
        """Return what became of one record."""
        dataset = self._dataset or recognise(value)
        if dataset is None:
            return {"dataset": None, "error": "no recogniser knows this record; try --dataset"}
        document = Document(source=self._profile.id, dataset=dataset, value=value)
        record = RawRecord(record_id(document, received_ns), self._profile.id, dataset, received_ns, value)
        try:
            events = normalizer_for(dataset)(record, self._profile)
        except NormalizerError as error:
            return {"dataset": dataset, "error": str(error)}
        return {"dataset": dataset, "events": [self._event(event) for event in events]}

    def _event(self, event: EcsEvent) -> dict[str, Any]:
        correct_fixed(event, self._profile)
        self._enricher.enrich(event, self._profile)
        logsource = self._logsources.of(event.dataset, event.fields) or LogSource()
        matched = self._engine.rules_for(event, logsource)
        unresolved = [f"{path}: unknown" for path in _UNKNOWN if event.fields.get(path) == "unknown"]
        if "convergence.asset.id" not in event.fields:
            unresolved.append("no asset is known for it")
        return {
            "time": utc(event.time_ns),
            "fields": dict(sorted(event.fields.items())),
            "unresolved": unresolved,
            "rules_that_could_see_it": [_name(rule) for rule in self._rules(logsource)],
            "rules_that_match": [_name(rule) for rule in matched],
        }

    def _rules(self, logsource: LogSource) -> list[DetectionRule]:
        return [rule for rule in self._engine.ruleset.rules.values() if not contradicts(rule.logsource, logsource)]


@click.command(short_help="Show what the engine makes of your records.")
@click.argument("file", type=click.Path(allow_dash=True))
@click.option("--dataset", type=click.Choice(sorted(NORMALIZERS)), help="Do not guess.")
@click.option("--zone", default="UTC", show_default=True, help="IANA zone of stamps that name none.")
@click.option("--source", default="inspect", show_default=True, help="Source id; with -c its settings are used.")
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    help="Settings with context and rules; without, the bundled rules.",
)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000_000), help="Records shown.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a record.")
def inspect(  # noqa: PLR0913, PLR0917  one a command-line option
    file: str, dataset: str | None, zone: str, source: str, config: Path | None, limit: int, *, as_json: bool
) -> None:
    """Show what the engine makes of the records of FILE; - is standard input.

    For each: the dataset it was recognised as, its event and corrected time, what did not resolve, and which rules
    could see it or match it.

    Lines, NDJSON, JSON arrays, CSV with a header, Zeek TSV and XML are told apart by content; gzip is unpacked.
    Exit code 1 when a record could not be read.
    """
    try:
        settings = load_settings(config) if config is not None else Settings()
        profile = settings.profiles().get(source) or SourceProfile(id=source, zone=ZoneInfo(zone))
        inspector = Inspector(settings, profile, dataset)
    except (SettingsError, ContextErrors, RuleErrors) as error:
        raise click.UsageError(str(error)) from error
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise click.UsageError(f"--zone {zone!r} is not an IANA zone such as Europe/Berlin") from error
    received_ns = SystemClock().now_ns()
    seen = Counter[str]()
    failed = 0
    try:
        for number, cut in enumerate(replay_file(file), start=1):
            report = {"error": cut.rejected} if cut.rejected is not None else inspector.report(cut.value, received_ns)
            seen[str(report.get("dataset"))] += 1
            failed += "error" in report
            if number <= limit:
                click.echo(_text(number, cut.value, report) if not as_json else msgspec.json.encode(report).decode())
    except ConnectorError as error:
        raise click.UsageError(str(error)) from error
    kinds = ", ".join(f"{count} {name}" for name, count in seen.most_common())
    click.echo(f"{sum(seen.values())} records: {kinds}; {failed} unreadable", err=True)
    sys.exit(1 if failed else 0)


def _text(number: int, value: bytes, report: dict[str, Any]) -> str:
    lines = [f"--- record {number}: {value[:160].decode('utf-8', 'backslashreplace')}{'…' if len(value) > 160 else ''}"]
    lines.append(f"dataset     {report.get('dataset') or 'not recognised'}")
    if "error" in report:
        lines.append(f"refused     {report['error']}")
    if report.get("events") == []:
        lines.append("event       none: understood, and nothing happened that matters")
    for event in report.get("events", []):
        lines.append(f"time        {event['time']}")
        lines += [f"  {path} = {shown}" for path, shown in event["fields"].items()]
        lines += [f"unresolved  {each}" for each in event["unresolved"]]
        lines.append(f"could see   {', '.join(event['rules_that_could_see_it']) or 'no rule'}")
        lines.append(f"matches     {', '.join(event['rules_that_match']) or 'no rule'}")
    return "\n".join(lines)


def _name(rule: DetectionRule) -> str:
    return rule.meta.name
