"""What applying candidates and timers causes, collected until the end of a batch."""

from __future__ import annotations

from collections import Counter

from detector.alert import AlertDraft
from detector.candidate import Candidate
from detector.task import DeadLetter, EngineEvent, Output


class Effects:
    """Collects outputs of all groups; of several revisions of one alert in a batch only the last is handed on.

    Attributes:
        late: Candidates that came later than their correlation bears, by source; empty for results of inner ones.
        counts: Things that must be visible: evictions, dead letters, by name.
        ahead: What is applied now has not been passed by the watermark of all partitions: one of them stands still.
        forgotten: Candidates that no group keeps any longer; whoever stores them takes them from here.
    """

    def __init__(self) -> None:
        self.counts = Counter[str]()
        self.late = Counter[str]()
        self.ahead = False
        self.forgotten: list[Candidate] = []
        self._drafts: dict[str, AlertDraft] = {}
        self._others: list[Output] = []

    def draft(self, draft: AlertDraft) -> None:
        """Hand on a revision of an alert."""
        self._drafts[draft.alert_id] = draft

    def result(self, candidate: Candidate) -> None:
        """Hand on what the next levels take."""
        self._others.append(candidate)

    def notice(self, event: EngineEvent) -> None:
        """Hand on something that the engine noticed."""
        self._others.append(event)

    def letter(self, letter: DeadLetter) -> None:
        """Hand on a candidate that came too late for every window."""
        self.counts["too_late"] += 1
        self._others.append(letter)

    def take(self) -> list[Output]:
        """Return everything collected and start anew."""
        outputs = [*self._others, *self._drafts.values()]
        self._others, self._drafts = [], {}
        return outputs
