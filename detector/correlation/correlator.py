"""The correlate stage: candidates of all levels to alert drafts, as one fold. `Engine.evaluate` runs it as well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
import structlog

from connectors.record import hashed_id
from detector.candidate import Candidate
from detector.correlation.level import Level
from detector.correlation.liveness import Run, Watch
from detector.correlation.ordering import END_OF_INPUT, NOT_YET
from detector.correlation.plan import CorrelationSettings, Plan, plan_correlations
from detector.correlation.routing import CandidateRouter
from detector.correlation.settling import Settler
from detector.correlation.watermark import Watermark
from detector.errors import StateError
from detector.rules.model import CorrelationRule, RuleSet
from detector.stateversion import opened, sealed
from detector.task import Bundle, LogRecord, Output, PartitionClock, Tick, Unwatched

MAX_WAIT_NS = 60_000_000_000
"""How long a partition may stand still before correlations that need no silence go on without it."""

LEVELS = (1, 2, 3)

_AWAY = b"a"
"""Key of the stretches in which nobody took records in."""

_SPREAD: Mapping[str, str] = {}
_encoder = msgspec.msgpack.Encoder()
_log = structlog.get_logger(__name__)


class _Progress(msgspec.Struct):
    """How far the task has come: clocks of the raw partitions, watermarks by level.

    Before there were stretches in which nobody took records in, the begin of watching stood here: it is read only.
    """

    clocks: dict[int, tuple[int, int]]
    passed: dict[int, tuple[int, int]]
    watched_from_ns: int | None = None


class Activation(msgspec.Struct, frozen=True, array_like=True):
    """Since when a correlation has had its present meaning.

    Attributes:
        meaning: See `meaning_of`.
        since_ns: When it took over, by the clocks of the partitions; `NOT_YET` of the rules that were there first.
        place: What it must meet in one partition of candidates; None where that was not remembered.
    """

    meaning: str
    since_ns: int
    place: str | None = None

    def goes_on(self, after: Activation) -> bool:
        """Return whether what was seen counts on: the same is meant, and met in the same partition."""
        return self.meaning == after.meaning and self.place in {None, after.place}


def meaning_of(rule: CorrelationRule) -> str:
    """Return what stored state of a correlation is good for: its semantic hash, and the ids by which it knows rules."""
    return hashed_id(rule.meta.semantic_hash, *rule.rules)


class Correlator:
    """Runs the levels of correlation over one partition of candidates.

    Level n+1 takes as its watermark the frontier of level n. Levels that need other partitions of candidates are
    separate tasks in a distributed runtime; here a result goes straight to the next level.

    Args:
        ruleset: Rules and correlations.
        partitions: Raw partitions that must have reported before anything is applied.
        settings: Lateness, coverage, bounds.
        settler: Answers for matches that rest on a missing context row; None: nothing is ever unsettled.
        max_wait_ns: See `MAX_WAIT_NS`.
        places: Correlation id to what it must meet in one partition; those left out are spread by group. One that is
            spread otherwise than before starts anew, as what it has seen is elsewhere.
    """

    def __init__(  # noqa: PLR0913, PLR0917  what a correlator rests on
        self,
        ruleset: RuleSet,
        partitions: Iterable[int],
        settings: CorrelationSettings,
        settler: Settler | None = None,
        max_wait_ns: int = MAX_WAIT_NS,
        places: Mapping[str, str] = _SPREAD,
    ) -> None:
        self._ruleset = ruleset
        self._router = CandidateRouter(ruleset)
        self._settler = settler
        self._watermark = Watermark(partitions, max_wait_ns)
        self._watch = Watch(settings.watched_from_ns)
        self._settings = settings
        self._plans = plans = plan_correlations(ruleset, settings)
        metas = [
            *(rule.meta for rule in ruleset.rules.values()),
            *(rule.meta for rule in ruleset.correlations.values()),
        ]
        self._names = {meta.id: meta.name for meta in metas}
        self._meanings = {key: (meaning_of(plan.rule), places.get(key, "")) for key, plan in plans.items()}
        self._activations = dict[str, Activation]()
        self._level_of = {key: plan.rule.level for key, plan in plans.items()}
        self._levels = self._made_levels()
        self._passed = dict.fromkeys(LEVELS, (NOT_YET, NOT_YET))
        self._unsettled: dict[str, Candidate] = {}
        self._until_ns = END_OF_INPUT
        self._early: dict[str, Candidate] = {}
        self._dirty: dict[bytes, object] = {}
        self._restored: list[tuple[int, bytes, bytes]] = []

    def process(self, records: Sequence[LogRecord]) -> list[Output]:
        """Take candidates, clocks and ticks, and apply what has come to its turn."""
        for record in records:
            match record:
                case Candidate():
                    self._take(record)
                case PartitionClock():
                    self._hear(record)
                case Tick():
                    self._watermark.tick(record.now_ns)
                case Bundle():
                    self._expect(record.known_at_ns)
                case _:
                    pass
        return self._advance(self._watermark.strict_ns, self._watermark.eager_ns)

    def reached_ns(self, clock: PartitionClock | None = None) -> int:
        """Return how far all partitions have come that are waited for, also once a clock more was heard."""
        return (
            self._watermark.eager_ns if clock is None else self._watermark.eager_with(clock.partition, clock.clock_ns)
        )

    def finish(self) -> list[Output]:
        """Apply everything that still waits: nothing can follow."""
        return self._advance(END_OF_INPUT, END_OF_INPUT)

    def left_out(self) -> Counter[str]:
        """Return how much did not count since the last call, by reason: for the metrics."""
        found = Counter[str]()
        for counts in (self._router.left_out, *(level.effects.counts for level in self._levels.values())):
            found.update(counts)
            counts.clear()
        return found

    def late(self) -> Counter[str]:
        """Return how many candidates came late since the last call, by source: for the metrics."""
        found = Counter[str]()
        for level in self._levels.values():
            found.update(level.effects.late)
            level.effects.late.clear()
        return found

    def dirty(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield changed state: progress, liveness, unsettled matches, and that of the levels."""
        for key, value in self._dirty.items():
            yield key, None if value is None else sealed(_encoder.encode(value))
        self._dirty.clear()
        for number, level in self._levels.items():
            for key, state in level.dirty():
                yield b"%d\x1f" % number + key, state

    def restore(self, key: bytes, state: bytes) -> None:
        """Take back one entry; levels follow in `restored`, as they need to know how far each had come."""
        body = opened(f"correlation state {key!r}", state)
        try:
            if key == b"p":
                progress = msgspec.msgpack.decode(body, type=_Progress)
                for partition, (clock_ns, generation) in progress.clocks.items():
                    self._watermark.report(partition, clock_ns, generation)
                self._passed.update(progress.passed)
                if progress.watched_from_ns is not None:
                    self._watch.miss(Unwatched(None, progress.watched_from_ns))
            elif key == _AWAY:
                self._watch.away = msgspec.msgpack.decode(body, type=list[Unwatched])
            elif key == b"m":
                self._activations = msgspec.msgpack.decode(body, type=dict[str, Activation])
            elif key[:1] == b"h":
                self._watch.liveness.take_back(key[1:].decode(), msgspec.msgpack.decode(body, type=list[Run]))
            elif key[:1] == b"e":
                self._early[key[1:].decode()] = msgspec.msgpack.decode(body, type=Candidate)
            elif key[:1] == b"u":
                self._unsettled[key[1:].decode()] = msgspec.msgpack.decode(body, type=Candidate)
            else:
                number, _, rest = key.partition(b"\x1f")
                self._restored.append((int(number), rest, state))
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            raise StateError(f"correlation state {key!r} cannot be read: {error}") from error

    def restored(self) -> None:
        """Give the levels their entries and set their timers; what belongs to rules that left or changed is dropped."""
        self._activate(self._watermark.newest_ns)
        for number, key, state in sorted(self._restored, key=lambda each: each[1]):
            self._levels[number].restore(key, state, self._passed[number])
        self._restored.clear()
        for number, level in self._levels.items():
            level.restored(self._passed[number])
        self._expect(self._until_ns)

    def succeed(self, before: Correlator) -> bool:
        """Go on with the groups of another correlator whose correlations mean the same; forget what others had seen.

        Args:
            before: Must not be used any more; its changes are taken.

        Returns:
            Whether that can be; otherwise, which is when something is waited for or kept longer or shorter than
            before, its stored state is to be restored.
        """
        if not self._keeps_pace(before):
            return False
        self._watermark, self._watch, self._passed = before._watermark, before._watch, before._passed
        self._unsettled, self._dirty, self._activations = before._unsettled, before._dirty, before._activations
        self._levels = self._made_levels()  # groups ask the watch that was there before
        self._activate(self._watermark.newest_ns if before._until_ns == END_OF_INPUT else before._until_ns)
        for number, level in self._levels.items():
            level.succeed(before._levels[number])
        self._early = before._early
        self._expect(END_OF_INPUT)
        return True

    def _keeps_pace(self, before: Correlator) -> bool:
        """Return whether correlations of unchanged meaning have plans that differ in words only."""
        known = before._plans
        same = (key for key in self._plans if key in known and self._meanings[key] == before._meanings[key])
        return all(known[key] == msgspec.structs.replace(self._plans[key], rule=known[key].rule) for key in same)

    def _made_levels(self) -> dict[int, Level]:
        """Make levels without groups."""
        shares = {number: dict[str, Plan]() for number in LEVELS}
        for key, plan in self._plans.items():
            shares[plan.rule.level][key] = plan
        return {
            number: Level(share, self._router, self._settings, self._names, self._watch)
            for number, share in shares.items()
        }

    def _activate(self, now_ns: int) -> None:
        """Tell which correlations are new or mean something else now, and since when."""
        known = self._activations
        self._activations = {
            key: _activation(known.get(key), meaning, place, now_ns) for key, (meaning, place) in self._meanings.items()
        }
        self._watch.activated_ns = {key: each.since_ns for key, each in self._activations.items()}
        changed = frozenset(
            key
            for key, each in known.items()
            if key not in self._activations or not each.goes_on(self._activations[key])
        )
        for level in self._levels.values():
            level.changed = changed
        for key, candidate in list(self._unsettled.items()):
            alone = candidate.correlation_id == candidate.rule_name
            if candidate.rule_name not in self._ruleset.rules or not (alone or candidate.correlation_id not in changed):
                del self._unsettled[key]
                self._dirty[b"u" + key.encode()] = None
        if changed or self._activations != known:
            self._dirty[b"m"] = self._activations
        if changed:
            _log.info("correlation_state_dropped", rules=sorted(changed))

    def _expect(self, until_ns: int) -> None:
        """Learn that other rules take over: what is ready from then on is for them, and waits."""
        self._until_ns = until_ns
        early, self._early = self._early, {}
        for key, candidate in sorted(early.items()):
            self._dirty[b"e" + key.encode()] = None
            self._take(candidate)

    def _take(self, candidate: Candidate) -> None:
        if candidate.ready_ns >= self._until_ns:
            key = _key_of(candidate)
            self._early[key] = candidate
            self._dirty[b"e" + key.encode()] = candidate
            return
        if candidate.unsettled is not None and self._settler is not None:
            key = _key_of(candidate)
            self._unsettled[key] = candidate
            self._dirty[b"u" + key.encode()] = candidate
            return
        self._levels[self._level_of.get(candidate.correlation_id, 1)].add(candidate)

    def _hear(self, clock: PartitionClock) -> None:
        for away in clock.unwatched:
            if self._watch.miss(away):
                self._dirty[_AWAY] = self._watch.away
        self._watermark.report(clock.partition, clock.clock_ns, clock.generation)
        for heard in clock.sources:
            if self._watch.liveness.hear(heard.source, Run(heard.run_start_ns, heard.last_ns)):
                self._dirty[b"h" + heard.source.encode()] = self._watch.liveness.runs(heard.source)

    def _advance(self, strict_ns: int, eager_ns: int) -> list[Output]:
        outputs = self._settle(strict_ns)
        for number, level in self._levels.items():
            level.advance(strict_ns, eager_ns)
            passed = (max(strict_ns, self._passed[number][0]), max(eager_ns, self._passed[number][1]))
            if passed != self._passed[number]:
                self._passed[number] = passed
                self._dirty[b"p"] = _Progress(self._watermark.entries(), self._passed)
            for output in level.take():
                if isinstance(output, Candidate):
                    self._take(output)
                else:
                    outputs.append(output)
            strict_ns, eager_ns = level.frontier_ns(strict_ns), level.frontier_ns(eager_ns)
        return outputs

    def _settle(self, watermark_ns: int) -> list[Output]:
        outputs = list[Output]()
        if self._settler is None:
            return outputs
        for key, candidate in sorted(self._unsettled.items(), key=lambda each: (each[1].ready_ns, each[0])):
            settled = self._settler.settle(candidate, candidate.rule_name, watermark_ns)
            if settled is None:
                continue
            del self._unsettled[key]
            self._dirty[b"u" + key.encode()] = None
            if settled.fields is None:
                continue
            for caused in self._router.settled(candidate, settled.fields):
                if isinstance(caused, Candidate):
                    self._levels[self._level_of.get(caused.correlation_id, 1)].add(caused)
                else:
                    outputs.append(caused)
        return outputs


def _key_of(candidate: Candidate) -> str:
    return "\x1f".join((candidate.correlation_id, candidate.event_id, candidate.rule_name, repr(candidate.group)))


def _activation(known: Activation | None, meaning: str, place: str, now_ns: int) -> Activation:
    new = Activation(meaning, now_ns, place)
    if known is not None and known.goes_on(new):
        return msgspec.structs.replace(known, place=place)
    return new
