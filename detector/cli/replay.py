"""`isthmus replay`: recorded raw records through the whole pipeline."""

from __future__ import annotations

import heapq
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from connectors.errors import ConnectorError
from connectors.file_replay import replay_file
from connectors.recognition import recognise
from connectors.record import Document, RawRecord, record_id
from detector.alert import Alert
from detector.alerting.contract import is_test
from detector.alerting.one_line import one_line
from detector.cli.options import config_option, epochs_option, no_cache_option, without_cache
from detector.errors import DetectorError, SettingsError
from detector.runtime.clock import SystemClock
from detector.runtime.embedded.rawlog import recorded
from detector.runtime.embedded.replaying import Replayed, replay
from detector.runtime.epochsfile import read_epochs
from detector.runtime.stages.clocks import is_learned, sequence_of
from detector.settings import Settings, load_settings
from detector.task import Record
from normalizers.clock.hindsight import Hindsight
from normalizers.errors import NormalizerError
from normalizers.registry import normalizer_for
from normalizers.source import SourceProfile

EXAMPLES = """\b
Examples:
  isthmus replay -c isthmus.yml old/raw.db
  isthmus replay -c isthmus.yml plant-a/pacs=doors.ndjson plant-a/vpn=asa.log
  isthmus replay --epochs epochs.ndjson old/raw.db    clocks as known afterwards
"""


@click.command(name="replay", short_help="Run recorded records through the pipeline.", epilog=EXAMPLES)
@config_option
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the replay's databases; default a temporary one.",
)
@epochs_option
@no_cache_option
@click.argument("inputs", nargs=-1, required=True)
def replay_command(
    config: Path, data: Path | None, epochs: Path | None, inputs: tuple[str, ...], *, no_cache: bool
) -> None:
    """Run recorded raw records through the whole pipeline at full speed, taking time from the records.

    INPUT is a raw log of the engine (raw.db), or SOURCE=FILE for a file of raw records in any layout; SOURCE is the
    source's id in the settings. Nothing is sent to sinks, and the engine's own databases are not touched.

    A raw log holds what the engine noticed then (silent sources, wrong clocks, gaps). Of files alone it is noticed now,
    of the sources that are given and up to the last record. Beside a raw log, files are taken as they are.
    """
    try:
        settings = without_cache(load_settings(config)) if no_cache else load_settings(config)
        hindsight = None if epochs is None else read_epochs(epochs)
        with tempfile.TemporaryDirectory(prefix="isthmus-replay-") as folder:
            settings = msgspec.structs.replace(settings, data_dir=data or Path(folder), sinks=[], durable=False)
            began = time.perf_counter()
            is_fresh = not any(map(_is_log, inputs))
            done = replay(
                _only_of(inputs, settings) if is_fresh else settings,
                _records(inputs, settings, hindsight),
                hindsight=hindsight,
                feeds_back=is_fresh,
                on_alert=_show,
            )
            _print(done, time.perf_counter() - began)
    except (SettingsError, ConnectorError) as error:
        raise click.UsageError(str(error)) from error
    except DetectorError as error:
        raise click.ClickException(str(error)) from error


def _show(alert: Alert) -> None:
    if not is_test(alert.document):
        click.echo(one_line(alert.document))


def _print(done: Replayed, wall_s: float) -> None:
    alerts = sum(not is_test(alert.document) for alert in done.alerts.values())
    click.echo(
        f"{done.records} records, {done.events} events, {done.dead_letters} dead letters, {alerts} alerts, "
        f"{wall_s:.1f} s, {done.records / max(wall_s, 1e-9):,.0f} records/s",
        err=True,
    )


def _records(inputs: tuple[str, ...], settings: Settings, hindsight: Hindsight | None) -> Iterator[Record]:
    streams = [
        _of_log(Path(each), settings) if _is_log(each) else _of_file(each, settings, hindsight) for each in inputs
    ]
    return heapq.merge(*streams, key=lambda record: record.ready_ns)


def _is_log(text: str) -> bool:
    return text.endswith(".db")


def _only_of(inputs: tuple[str, ...], settings: Settings) -> Settings:
    """Expect nothing of sources that are not given."""
    given = {_named(each)[0] for each in inputs}
    sources = {
        name: each if name in given else msgspec.structs.replace(each, expectation=None)
        for name, each in settings.sources.items()
    }
    return msgspec.structs.replace(settings, sources=sources)


def _named(text: str) -> tuple[str, str]:
    """Return source and path of an input."""
    source, equals, path = text.rpartition("=")
    return (source if equals else Path(path).name), path


def _of_log(path: Path, settings: Settings) -> Iterator[Record]:
    if not path.exists():
        raise SettingsError(f"{path}: does not exist")
    yield from recorded(path, SystemClock(), partitions=settings.raw_partitions)


def _of_file(text: str, settings: Settings, hindsight: Hindsight | None) -> Iterator[Record]:
    source, path = _named(text)
    known = settings.sources.get(source)
    profile = settings.profiles().get(source) or SourceProfile(id=source)
    ready_ns = 0
    for number, cut in enumerate(replay_file(path)):
        if cut.rejected is not None:
            click.echo(f"{path}: record {number}: {cut.rejected}; skipped", err=True)
            continue
        dataset = (known.dataset if known is not None else None) or recognise(cut.value) or "unknown"
        ready_ns = max(ready_ns, max(_times(cut.value, dataset, profile, hindsight), default=ready_ns))
        document = Document(source=source, dataset=dataset, value=cut.value, input=text, position=number)
        record_key = record_id(document, ready_ns)
        yield Record(RawRecord(record_key, source, dataset, ready_ns, cut.value), ready_ns, text, number)


def _times(value: bytes, dataset: str, profile: SourceProfile, hindsight: Hindsight | None) -> Iterator[int]:
    """Yield when a record's events happened, for want of when it was received; none of an unreadable one."""
    probe = RawRecord("", profile.id, dataset, 2**62, value)
    try:
        events = normalizer_for(dataset)(probe, profile)
    except NormalizerError:
        return
    for event in events:
        known = None
        if hindsight is not None and is_learned(event, profile):
            known = hindsight.find(profile.id, event.time_ns, sequence=sequence_of(event))
        yield event.time_ns - profile.clock_offset_ns if known is None else known.time_of(event.time_ns)
