"""What one partition's task hears of its sources: whether they speak, and since when without a break."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from detector.runtime.stages.journals import Journals
from detector.runtime.stages.runs import Runs
from detector.runtime.stages.silence import Silence, SilencePolicy
from detector.task import CANARY_SOURCE, ENGINE_DATASET, EngineEvent, Heard, Record, Unwatched
from normalizers.event import EcsEvent


class Hearing:
    """Takes each record, the events made of it, and the clock of the partition.

    Args:
        policy: What is expected of sources.
        covering: Sources whose liveness some absence asks for, with their expectation in ns.
        expected: Sources of this partition that should be heard, to their datasets.
    """

    def __init__(
        self, policy: SilencePolicy, covering: Mapping[str, int], expected: Mapping[str, str] | None = None
    ) -> None:
        self._silence = Silence(policy, expected)
        self._unwatched: list[Unwatched] = []
        self._has_begun = False
        self._journals = Journals(policy.profile_of)
        self._runs = Runs(covering)

    def hear(self, entry: Record) -> None:
        """Take a record, whether or not it can be read; what the engine itself sends says nothing of its sources."""
        self.advance(entry.ready_ns)
        if entry.record.dataset != ENGINE_DATASET and not entry.record.source.startswith(CANARY_SOURCE):
            self._silence.hear(entry)

    def understand(self, entry: Record, events: Sequence[EcsEvent]) -> None:
        """Take what the record last heard says, with its clock corrected; not called when it could not be read."""
        if entry.record.source.startswith(CANARY_SOURCE):
            return
        for event in events:
            self._silence.note(event)
            self._journals.note(event, entry)
        self._runs.hear(entry.record.source, entry.ready_ns, events)

    def advance(self, clock_ns: int) -> None:
        """Learn that no record from before the clock follows."""
        if not self._has_begun:
            self._miss(self._silence.begin(clock_ns))
        self._silence.advance(clock_ns)

    def listen(self, away: Unwatched) -> None:
        """Learn that nobody listened for a time."""
        self._miss(self._silence.listen(away))

    def _miss(self, away: Unwatched | None) -> None:
        self._has_begun = True
        if away is not None:
            self._unwatched.append(away)

    def unwatched(self) -> tuple[Unwatched, ...]:
        """Return when nobody listened, as far as that was learned since the last call."""
        news, self._unwatched = tuple(self._unwatched), []
        return news

    @property
    def has_news(self) -> bool:
        """Whether a run ended, or nobody listened, which was not yet told."""
        return self._runs.has_ended or bool(self._unwatched)

    def heard(self) -> tuple[Heard, ...]:
        """Return the runs that ended or went on since the last call."""
        return self._runs.take()

    def told(self) -> list[EngineEvent]:
        """Return what was noticed since the last call."""
        return self._silence.take() + self._journals.take()

    def dirty(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what changed since the last call."""
        yield from self._silence.dirty()
        yield from self._journals.dirty()
        yield from self._runs.dirty()

    def restore(self, key: bytes, state: bytes) -> None:
        """Take back one entry."""
        if key[:1] == b"h":
            self._runs.restore(key, state)
        elif key[:1] == b"j":
            self._journals.restore(key, state)
        else:
            self._silence.restore(key, state)

    def restored(self) -> None:
        """Learn that all entries have been given."""
        self._has_begun = False
        self._silence.restored()
        self._journals.restored()

    def succeed(self, before: Hearing) -> None:
        """Go on, under other rules or settings, with what another one remembers."""
        self._unwatched = before._unwatched
        self._silence.succeed(before._silence)
        self._journals.succeed(before._journals)
        self._runs.succeed(before._runs)
