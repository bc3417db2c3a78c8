"""Sources that fall silent and are heard again, told by the clock of their partition.

What is told of a source follows from the ready times of its own records and from how far the clock has come: not
from which other records lie between, nor from how they are read.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping

import msgspec

from connectors.record import hashed_id
from detector.runtime.stages.rhythm import HOUR_NS, HOURS, Rhythm
from detector.task import EngineEvent, Record, Unwatched
from normalizers.event import EcsEvent, Value
from normalizers.source import SourceProfile
from normalizers.timestamps import format_utc

MAX_SOURCES = 100_000
"""Sources remembered in one partition, about 600 bytes each; of more, the one that settings do not name and that was
heard longest ago is forgotten."""

LEARN_NS = HOURS * HOUR_NS
"""Nothing is said of a source's rhythm before each hour of the week has been seen."""

UNNOTICED_NS = 10**9
"""Gaps up to here teach nothing that a rhythm could hold."""

_SINCE = b"s"
"""Key of the time since when somebody listens without a break."""

_NEVER = 2**63 - 1
_FAR_NS = 2**60  # 36 years: nothing is expected
_SLACK = 1_024


class SilencePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What is expected of sources.

    Attributes:
        profile_of: Settings of a source.
        floor_ns: A learned expectation is never shorter; None: nothing is learned, only settings count.
        behind: Collector to how many sources stand behind it.
        named: Sources that the settings name: they are never forgotten.
        blink_ns: Nobody counts as away who was so for no longer than this, such as the engine while it restarts.
    """

    profile_of: Callable[[str], SourceProfile]
    floor_ns: int | None = 600 * 10**9
    behind: dict[str, int] = {}
    named: frozenset[str] = frozenset()
    blink_ns: int = 0


class Watched(msgspec.Struct, array_like=True):
    """What is remembered of one source.

    Attributes:
        last_ns: Ready time of its last record; of one that was never heard, since when it is waited for.
        record_id: Id of that record; empty: it was never heard.
        since_ns: Ready time of the first one.
        entered_ns: Ready time of the first one in the hour of the last.
        dataset: Dataset of the last record.
        domain: Domain of the last event.
        is_silent: Its silence has been told.
        until_ns: End of the hour of the last record; 0: to be looked at anew.
        quiet_ns: Gaps up to here, in that hour, change nothing but `last_ns`.
    """

    last_ns: int
    record_id: str
    since_ns: int
    entered_ns: int
    dataset: str
    domain: str | None = None
    is_silent: bool = False
    until_ns: int = 0
    quiet_ns: int = 0


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Watched)


class Silence:
    """Remembers when each source was heard and how long it may be silent, while somebody listened.

    Args:
        policy: Expectations.
        expected: Sources of this partition that should be heard, though they never were; to their datasets.
    """

    def __init__(self, policy: SilencePolicy, expected: Mapping[str, str] | None = None) -> None:
        self._policy = policy
        self._expected = expected or {}
        self._is_complete = False
        self._since_ns: int | None = None
        self._is_since_news = False
        self._watched: dict[str, Watched] = {}
        self._rhythms: dict[str, Rhythm] = {}
        # One entry a source is valid, the one in `_due_ns`: never later than the silence is to be told.
        self._timers: list[tuple[int, str]] = []
        self._due_ns: dict[str, int] = {}
        # Sources whose `Watched` or rhythm changed.
        self._heard: set[str] = set()
        self._learned: set[str] = set()
        self.forgotten = 0
        self._told: list[EngineEvent] = []

    def listen(self, away: Unwatched) -> Unwatched | None:
        """Learn that nobody listened for a time: no silence is told of it, and every source is waited for anew.

        Returns:
            The same, when what happened in that time may have been missed.
        """
        if away.from_ns is not None:
            self.advance(away.from_ns)
        self._since_ns = away.to_ns
        self._is_since_news = True
        self._wait_for_expected(away.to_ns)
        is_short = away.from_ns is not None and away.to_ns - away.from_ns <= self._policy.blink_ns
        return None if is_short else away

    def begin(self, now_ns: int) -> Unwatched | None:
        """Learn the time; returns what was not watched before the first one of all."""
        first = self.listen(Unwatched(None, now_ns)) if self._since_ns is None else None
        if not self._is_complete:
            self._wait_for_expected(now_ns)
        return first

    def hear(self, entry: Record) -> None:
        """Take a record; the clock has come to its ready time."""
        source, now_ns = entry.record.source, entry.ready_ns
        watched = self._watched.get(source)
        if watched is None:
            self._watched[source] = watched = Watched(now_ns, "", now_ns, now_ns, "")
            self._make_room()
        if now_ns >= watched.until_ns or now_ns - watched.last_ns > watched.quiet_ns:
            self._hear_after_a_gap(entry, watched)
        watched.last_ns, watched.record_id, watched.dataset = now_ns, entry.record.id, entry.record.dataset
        self._heard.add(source)

    def note(self, event: EcsEvent) -> None:
        """Learn of which domain a source is."""
        domain = event.fields.get("convergence.domain")
        watched = self._watched.get(event.source)
        if watched is not None and isinstance(domain, str):
            watched.domain = domain

    def advance(self, clock_ns: int) -> None:
        """Tell who has been silent for too long once no record before the clock can follow."""
        while self._timers and self._timers[0][0] < clock_ns:
            due_ns, source = heapq.heappop(self._timers)
            watched = self._watched.get(source)
            if watched is None or self._due_ns.get(source) != due_ns:
                continue
            del self._due_ns[source]
            deadline_ns = self._deadline_ns(source, watched)
            if deadline_ns is not None and deadline_ns < clock_ns:
                watched.is_silent = True
                self._heard.add(source)
                waited_ns = deadline_ns - self._waited_from_ns(watched)
                self._tell("source-silent", source, watched, deadline_ns, watched.record_id, waited_ns)
            elif deadline_ns is not None:
                self._set(source, deadline_ns)

    def take(self) -> list[EngineEvent]:
        """Return what was told since the last call."""
        told, self._told = self._told, []
        return told

    def dirty(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what changed since the last call."""
        for source in sorted(self._learned):
            rhythm = self._rhythms.get(source)
            yield b"r" + source.encode(), None if rhythm is None else rhythm.snapshot()
        for source in sorted(self._heard):
            watched = self._watched.get(source)
            yield b"w" + source.encode(), None if watched is None else _encoder.encode(watched)
        self._learned.clear()
        self._heard.clear()
        if self._is_since_news:
            yield _SINCE, (self._since_ns or 0).to_bytes(8, "big", signed=True)
        self._is_since_news = False

    def restore(self, key: bytes, state: bytes) -> None:
        """Take back one entry."""
        source = key[1:].decode()
        if key == _SINCE:
            self._since_ns = int.from_bytes(state, "big", signed=True)
        elif key[:1] == b"w":
            self._watched[source] = _decoder.decode(state)
        else:
            self._rhythms[source] = Rhythm(state)

    def restored(self) -> None:
        """Set the timers, and the order in which sources are forgotten."""
        self._is_complete = False
        if self._since_ns is None and self._watched:
            self._since_ns = 0  # stored by a version that did not note it: what it heard was listened to
        order = sorted(self._watched.items(), key=lambda each: (each[1].entered_ns, each[0]))
        self._watched = dict(order)
        for source, watched in order:
            watched.until_ns = 0
            if not watched.is_silent:
                self._set(source, watched.last_ns + self._soonest_ns(source))

    def succeed(self, before: Silence) -> None:
        """Go on, under other settings or rules, with what another one remembers."""
        self._watched, self._rhythms = before._watched, before._rhythms
        self._heard, self._learned = before._heard, before._learned
        self._since_ns, self._is_since_news = before._since_ns, before._is_since_news
        self.restored()

    def _wait_for_expected(self, now_ns: int) -> None:
        """Wait for sources that should be heard and never were."""
        self._is_complete = True
        for source in sorted(self._expected.keys() - self._watched.keys()):
            self._watched[source] = Watched(now_ns, "", now_ns, now_ns, self._expected[source])
            self._heard.add(source)
            self._set(source, now_ns + self._soonest_ns(source))

    def _waited_from_ns(self, watched: Watched) -> int:
        """Return since when a source has been silent while somebody listened."""
        return max(watched.last_ns, self._since_ns or 0)

    def _hear_after_a_gap(self, entry: Record, watched: Watched) -> None:
        source, now_ns = entry.record.source, entry.ready_ns
        if now_ns // HOUR_NS > watched.last_ns // HOUR_NS:
            watched.entered_ns = now_ns
            self._watched[source] = self._watched.pop(source)
        watched.until_ns = (now_ns // HOUR_NS + 1) * HOUR_NS
        soonest_ns = self._soonest_ns(source)
        watched.quiet_ns = min(self._learn(source, watched, now_ns), soonest_ns)
        if watched.is_silent:
            watched.is_silent = False
            self._tell("source-restored", source, watched, now_ns, entry.record.id, now_ns - watched.last_ns)
        # When the timer rings, the deadline is worked out: it is never sooner than this.
        if self._due_ns.get(source, _NEVER) > now_ns + soonest_ns:
            self._set(source, now_ns + soonest_ns)

    def _learn(self, source: str, watched: Watched, now_ns: int) -> int:
        """Learn from a gap, and return up to which length the next ones of this hour teach nothing."""
        floor_ns = self._policy.floor_ns
        if floor_ns is None or self._policy.profile_of(source).expectation_ns is not None:
            return _NEVER
        if now_ns // HOUR_NS == watched.since_ns // HOUR_NS:
            return _NEVER
        rhythm = self._rhythms.get(source)
        if rhythm is None:
            self._rhythms[source] = rhythm = Rhythm()
        since_ns, waited_ns = watched.since_ns, self._waited_from_ns(watched)
        rhythm.learn(waited_ns, now_ns, since_ns=since_ns, floor_ns=floor_ns)
        self._learned.add(source)
        return max(rhythm.longest_ns(now_ns // HOUR_NS), UNNOTICED_NS)

    def _deadline_ns(self, source: str, watched: Watched) -> int | None:
        expectation_ns = self._policy.profile_of(source).expectation_ns
        if expectation_ns is not None:
            return self._waited_from_ns(watched) + expectation_ns
        rhythm = self._rhythms.get(source)
        if rhythm is None or self._policy.floor_ns is None or watched.last_ns - watched.since_ns < LEARN_NS:
            return None
        return rhythm.deadline_ns(self._waited_from_ns(watched), self._policy.floor_ns)

    def _soonest_ns(self, source: str) -> int:
        """Return how long after a record its silence may be told at the earliest."""
        expectation_ns = self._policy.profile_of(source).expectation_ns
        soonest_ns = self._policy.floor_ns if expectation_ns is None else expectation_ns
        return _FAR_NS if soonest_ns is None else soonest_ns

    def _set(self, source: str, due_ns: int) -> None:
        self._due_ns[source] = due_ns
        heapq.heappush(self._timers, (due_ns, source))
        if len(self._timers) > 2 * len(self._due_ns) + _SLACK:
            self._timers = [(due, name) for name, due in self._due_ns.items()]
            heapq.heapify(self._timers)

    def _make_room(self) -> None:
        if len(self._watched) <= MAX_SOURCES:
            return
        source = next((each for each in self._watched if each not in self._policy.named), None)
        if source is None:
            return
        del self._watched[source]
        self._heard.add(source)
        self._due_ns.pop(source, None)
        if self._rhythms.pop(source, None) is not None:
            self._learned.add(source)
        self.forgotten += 1

    def _tell(  # noqa: PLR0913, PLR0917  what is told of a source
        self, kind: str, source: str, watched: Watched, time_ns: int, record_id: str, silent_ns: int
    ) -> None:
        profile = self._policy.profile_of(source)
        fields = feed_fields(profile, self._policy) | {
            "convergence.feed.dataset": watched.dataset,
            "convergence.feed.domain": watched.domain,
            "convergence.feed.last_heard": format_utc(watched.last_ns - watched.last_ns % 10**9),
            "convergence.feed.expectation": "learned" if profile.expectation_ns is None else "set",
            "convergence.feed.silent_s": silent_ns // 10**9,
            "convergence.feed.heard": "yes" if watched.record_id else "never",
            "convergence.feed.back": _back(time_ns, silent_ns) if kind == "source-restored" else None,
        }
        self._told.append(
            EngineEvent(
                id=hashed_id(source, record_id or watched.last_ns, kind),
                source=source,
                kind=kind,
                time_ns=time_ns,
                fields={path: value for path, value in fields.items() if value is not None},
            )
        )


def _back(time_ns: int, silent_ns: int) -> str:
    """Say when a source came back, as the end of a sentence about its silence."""
    return f"; heard again at {format_utc(time_ns - time_ns % 10**9)}, after {silent_ns // 10**9} s"


def feed_fields(profile: SourceProfile, policy: SilencePolicy) -> dict[str, Value]:
    """Return what engine events say of the source that they are about; None where nothing is known."""
    behind = policy.behind.get(profile.id, 0)
    return {
        "convergence.feed.named": "yes" if profile.id in policy.named else "no",
        "convergence.feed.role": "collector" if behind else "source",
        "convergence.feed.line": profile.collector or profile.id,
        "convergence.feed.collector": profile.collector or (profile.id if behind else None),
        "convergence.feed.sources": behind or None,
        "convergence.location.site": profile.site,
        "host.name": profile.host,
    }
