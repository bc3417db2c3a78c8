"""The settings file: what it may say, and reading it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import yaml

from connectors.errors import ConnectorSettingsError
from connectors.kafka.settings import KafkaTopics
from connectors.settings import FileTail, Folder, InputSettings
from detector.alerting.sinks.settings import ElasticsearchSink, SinkSettings, anchored
from detector.canarysettings import CanarySettings
from detector.clocksettings import ClockSettings, clock_of_reports, clock_policy
from detector.correlation.plan import BUDGET
from detector.duration import Duration, decode_duration, parse_duration
from detector.errors import SettingsError
from detector.kafkasettings import MAX_PARTITIONS, KafkaSettings
from detector.rules.pipelines import is_path
from detector.task import ENGINE_DATASET
from normalizers.source import SourceProfile

MAX_SETTINGS_BYTES = 1 << 20
"""A settings file is written by hand; a larger one is a mistake."""


class SourceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of one source.

    Attributes:
        dataset: Which normalizer reads it; recognised from the content when unset.
        zone: IANA zone of stamps that name none.
        site: Site it stands at.
        place: What of its site it reports of, as an id of the locations table, such as a room of a sensor; unset: what
            its `host` covers in the assets table, as of cameras, else all of its site.
        system: Name space of its badge numbers and local accounts in the identities table.
        host: Name of the device when its records carry none.
        clock: How its stamps reach the engine. Unset: `push`, but `polled` each 60 s for reports that are dropped into
            a folder, and `none` for rows of business systems.
        clock_offset: Its clock's error, when you know it: device time minus true time. Nothing is learned then.
        clock_uncertainty: Half-width around the corrected time, when you know it. Nothing is learned then.
        expectation: It is heard at least this often, be it a heartbeat or an agreement; unset: its silence proves
            nothing, and is told once it is longer than usual.
        journal_jump: The device numbers its records, and this many may be missing in a row without it being a gap (0:
            none); unset: the numbers are not looked at, as when only some records are sent.
        collector: Source through which its records come; while that one is silent, its own silence is no alert.
    """

    dataset: str | None = None
    zone: str = "UTC"
    site: str | None = None
    place: str | None = None
    system: str | None = None
    host: str | None = None
    clock: ClockSettings | None = None
    clock_offset: Duration = Duration(0)
    clock_uncertainty: Duration = Duration(0)
    expectation: Duration | None = None
    journal_jump: int | None = None
    collector: str | None = None


class ContextSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where context comes from.

    Attributes:
        folder: Folder of CSV, YAML and JSON tables; unset: none.
        wait: How long a verdict that rests on a missing row waits for the table's feed to become current.
    """

    folder: Path | None = None
    wait: Duration = parse_duration("5m")


class SilenceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the silence of a source is told.

    Attributes:
        learn: Learn how long each source without an `expectation` is usually silent, by the hour of the week.
        floor: A silence shorter than this is never told of such a source.
        blink: An engine that was away for no longer than this, as in a restart, counts as having watched: senders
            repeat or keep what they could not send. Longer, and no absence is believed over that time.
    """

    learn: bool = True
    floor: Duration = parse_duration("10m")
    blink: Duration = parse_duration("30s")


class HttpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The engine's own pages: `/healthz`, `/metrics`, `/api/alerts`.

    Attributes:
        host: Address to listen on; loopback unless said otherwise, as these pages ask for no password.
        port: 0 picks a free one.
        enabled: False: no listener.
    """

    host: str = "127.0.0.1"
    port: int = 8686
    enabled: bool = True


class CacheSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the engine keeps what rules compile to, so that it starts quickly; it may be deleted at any time.

    Attributes:
        folder: Unset: `isthmus` in the user's own cache folder.
        enabled: False: every rule is compiled at each start.
    """

    folder: Path | None = None
    enabled: bool = True


class RetentionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the embedded engine keeps what it no longer needs.

    Attributes:
        raw: Processed raw records, for replays.
        presence: Who was seen where, for `isthmus who --at`.
    """

    raw: Duration = parse_duration("7d")
    presence: Duration = parse_duration("7d")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file.

    Attributes:
        data_dir: Where the embedded engine keeps its databases.
        raw_partitions: Partitions of the raw log; must not change while data_dir is in use.
        inputs: Listeners and files.
        sources: Facts about sources, by source id.
        lateness: How late a dataset's records may arrive and still be in order; `default` for the rest, 10s unless
            set, but for `engine.event`, 30s.
        silence: When a silent source is told.
        context: Context tables.
        canary: Records of our own that must come out as test alerts.
        rules: Rule files and folders; empty: the bundled rules.
        pipelines: Processing pipelines for the rules: files or folders, names of bundled ones such as windows, or
            names of those that installed pySigma plugins bring.
        watch_rules: How often to look whether rules, pipelines, lists or log sources changed, to reload them; 0s: only
            on SIGHUP.
        rules_cache: Whether and where to keep what rules compile to.
        sinks: Where alerts go besides the engine's own store.
        http: The engine's own pages.
        checkpoint: Longest time between two checkpoints; bounds the latency of alerts.
        max_wait: How long a stuck partition holds up the others.
        correlation_candidates: Matches kept for one correlation in one partition; of more, groups of one go first.
        keep_events: Keep every ECS event in the engine's database.
        durable: Sync each append to disk; false survives the end of the process only, not of the power.
        retention: How long processed data is kept.
        kafka: Where workers find Kafka; unset: the engine runs embedded only.
    """

    data_dir: Path = Path("isthmus-data")
    raw_partitions: int = 2
    inputs: list[InputSettings] = []
    sources: dict[str, SourceSettings] = {}
    lateness: dict[str, Duration] = {}
    silence: SilenceSettings = SilenceSettings()
    context: ContextSettings = ContextSettings()
    canary: CanarySettings = CanarySettings()
    rules: list[Path] = []
    pipelines: list[str] = []
    watch_rules: Duration = parse_duration("5s")
    rules_cache: CacheSettings = CacheSettings()
    sinks: list[SinkSettings] = []
    http: HttpSettings = HttpSettings()
    checkpoint: Duration = parse_duration("250ms")
    max_wait: Duration = parse_duration("60s")
    correlation_candidates: int = BUDGET
    keep_events: bool = False
    durable: bool = True
    retention: RetentionSettings = RetentionSettings()
    kafka: KafkaSettings | None = None

    def profiles(self) -> dict[str, SourceProfile]:
        """Return the profile of each source named in the settings.

        Raises:
            SettingsError: A zone is not an IANA zone.
        """
        profiles = {source: _profile(source, settings) for source, settings in self.sources.items()}
        for source in _dropped(self.inputs):
            known = profiles.get(source) or SourceProfile(id=source)
            if source not in self.sources or self.sources[source].clock is None:
                profiles[source] = msgspec.structs.replace(known, clock=clock_of_reports(known.zone.key))
        for source in _of_untrusted_times(self.inputs):
            known = profiles.get(source) or SourceProfile(id=source)
            profiles[source] = msgspec.structs.replace(known, is_received_trusted=False)
        return profiles

    def cluster(self) -> KafkaSettings:
        """Return the section `kafka`.

        Raises:
            SettingsError: There is none.
        """
        if self.kafka is None:
            raise SettingsError("the settings have no section `kafka`; see docs/how-to/run-on-kafka.md")
        return self.kafka

    def wants_events(self) -> bool:
        """Tell whether events are given out at all."""
        return self.keep_events or any(isinstance(sink, ElasticsearchSink) and sink.events for sink in self.sinks)

    def lateness_ns(self, dataset: str) -> int:
        """Return the lateness of a dataset."""
        if dataset == ENGINE_DATASET and dataset not in self.lateness:
            return int(ENGINE_LATENESS)
        return int(self.lateness.get(dataset, self.lateness.get("default", DEFAULT_LATENESS)))


MIN_CANDIDATES = 1_000
"""Fewer matches of one correlation are no window to find anything in."""

DEFAULT_LATENESS = parse_duration("10s")
"""For push sources; polled ones want two poll periods and 10 s."""

ENGINE_LATENESS = parse_duration("30s")
"""For what the engine notices: told a tick and a checkpoint after it was so, and later while a backlog is read."""


def load_settings(path: Path) -> Settings:
    """Read a settings file; relative paths in it are relative to its folder.

    Raises:
        SettingsError: The file cannot be read, is not YAML, or a setting is wrong; names the setting.
    """
    try:
        text = path.read_bytes()[: MAX_SETTINGS_BYTES + 1]
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}; write one with `isthmus init`") from error
    if len(text) > MAX_SETTINGS_BYTES:
        raise SettingsError(f"{path}: larger than 1 MiB")
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: is not YAML: {error}") from error
    if isinstance(content, dict):
        # A section whose every line is commented out is a section left out.
        content = {key: value for key, value in content.items() if value is not None}
    return build_settings(content or {}, path)


def build_settings(content: Any, path: Path) -> Settings:  # noqa: ANN401  YAML can be anything
    """Make settings of the file's content.

    Args:
        content: Parsed YAML.
        path: Where it stands, for messages and relative paths.

    Raises:
        SettingsError: A setting is wrong; names the setting.
    """
    try:
        settings = msgspec.convert(content, Settings, dec_hook=decode_duration)
        settings.profiles()
    except (msgspec.ValidationError, ConnectorSettingsError, SettingsError) as error:
        raise SettingsError(f"{path}: {error}") from error
    if not 1 <= settings.raw_partitions <= MAX_PARTITIONS:
        raise SettingsError(f"{path}: raw_partitions is {settings.raw_partitions}; use 1 to {MAX_PARTITIONS}")
    if settings.correlation_candidates < MIN_CANDIDATES:
        raise SettingsError(
            f"{path}: correlation_candidates is {settings.correlation_candidates}; use {MIN_CANDIDATES} or more"
        )
    return _anchored(settings, path.parent)


def _anchored(settings: Settings, folder: Path) -> Settings:
    context, cache, kafka = settings.context, settings.rules_cache, settings.kafka
    if context.folder is not None:
        context = msgspec.structs.replace(context, folder=folder / context.folder)
    if cache.folder is not None:
        cache = msgspec.structs.replace(cache, folder=folder / cache.folder)
    if kafka is not None:
        kafka = msgspec.structs.replace(kafka, connection=kafka.connection.anchored(folder))
    return msgspec.structs.replace(
        settings,
        kafka=kafka,
        data_dir=folder / settings.data_dir,
        context=context,
        rules=[folder / rule for rule in settings.rules],
        rules_cache=cache,
        pipelines=[_anchored_pipeline(each, folder) for each in settings.pipelines],
        inputs=[_anchored_input(each, folder) for each in settings.inputs],
        sinks=[anchored(each, folder) for each in settings.sinks],
    )


def _anchored_pipeline(name: str, folder: Path) -> str:
    return str(folder / name) if is_path(name) or (folder / name).exists() else name


def _anchored_input(settings: InputSettings, folder: Path) -> InputSettings:
    if isinstance(settings, FileTail | Folder):
        return msgspec.structs.replace(settings, path=folder / settings.path)
    if isinstance(settings, KafkaTopics):
        return msgspec.structs.replace(settings, connection=settings.connection.anchored(folder))
    return settings


def _of_untrusted_times(inputs: Sequence[InputSettings]) -> list[str]:
    """Return the sources whose time of receipt may be the device's own."""
    kafka = (each for each in inputs if isinstance(each, KafkaTopics))
    return [topic.source for each in kafka for topic in each.topics if topic.create_time == "untrusted"]


def _dropped(inputs: Sequence[InputSettings]) -> list[str]:
    """Return the sources whose records are reports in a folder."""
    return [each.source for each in inputs if isinstance(each, Folder)]


def _profile(source: str, settings: SourceSettings) -> SourceProfile:
    if settings.expectation is not None and settings.expectation <= 0:
        raise SettingsError(f"sources.{source}.expectation: must be longer than nothing; leave it out instead")
    if settings.journal_jump is not None and settings.journal_jump < 0:
        raise SettingsError(f"sources.{source}.journal_jump: {settings.journal_jump} is below 0")
    if settings.collector == source:
        raise SettingsError(f"sources.{source}.collector: a source does not stand behind itself")
    try:
        zone = ZoneInfo(settings.zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(
            f"sources.{source}.zone: {settings.zone!r} is not an IANA zone such as Europe/Berlin"
        ) from error
    return SourceProfile(
        id=source,
        zone=zone,
        site=settings.site,
        system=settings.system,
        host=settings.host,
        clock=clock_policy(source, settings.clock or ClockSettings(), settings.zone),
        clock_offset_ns=int(settings.clock_offset),
        clock_uncertainty_ns=int(settings.clock_uncertainty),
        expectation_ns=None if settings.expectation is None else int(settings.expectation),
        journal_jump=settings.journal_jump,
        collector=settings.collector,
    )
