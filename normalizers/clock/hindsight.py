"""Clocks as they are known afterwards: for backtests, which may use what no event could know when it came."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate, pairwise

import msgspec

from normalizers.clock.bounds import FEW, Status
from normalizers.clock.model import ClockModel, ClockReading
from normalizers.clock.policy import NS, ClockPolicy
from normalizers.clock.state import Epoch

SPAN_NS = 6 * 3600 * NS
"""A stretch ends with the first event after this: a line fits that long, however the crystal warms."""

METHOD = "hindsight"
"""`convergence.clock.method` of what is dated by it."""

_NONE = -(2**63)


class Stretch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of an epoch, and the line that the clock kept in it.

    Attributes:
        source: Logical source id.
        epoch: Number of the epoch; 0 is the first.
        received_from_ns: Receipt from which on it holds; UTC nanoseconds.
        received_until_ns: Receipt at which it ends.
        device_from_ns: What the device's clock showed when it began.
        device_until_ns: And when it ended.
        sequence_from: Least sequence number of its events; None without any.
        sequence_until: Largest one.
        at_ns: True time at which `offset_ns` holds.
        offset_ns: Device minus true time.
        drift_ppm: Gain of the device in parts per million.
        uncertainty_ns: Half-width of a corrected time.
        cell_ns: Cell of the stamps: one stands for its middle.
    """

    source: str
    epoch: int
    received_from_ns: int
    received_until_ns: int
    device_from_ns: int
    device_until_ns: int
    sequence_from: int | None = None
    sequence_until: int | None = None
    at_ns: int
    offset_ns: int
    drift_ppm: float
    uncertainty_ns: int
    cell_ns: int = 1

    def __post_init__(self) -> None:
        """Refuse what no clock can be.

        Raises:
            ValueError: An end lies before its beginning, or an uncertainty or a drift is none.
        """
        if self.received_until_ns < self.received_from_ns or self.device_until_ns < self.device_from_ns:
            raise ValueError("ends before it begins")
        if self.uncertainty_ns < 0 or not -1e6 < self.drift_ppm < 1e6 or self.cell_ns < 1:
            raise ValueError("holds an uncertainty, a drift or a cell that no clock has")

    def offset_at(self, time_ns: int) -> int:
        """Return device minus true time at a time."""
        return self.offset_ns + round((time_ns - self.at_ns) * self.drift_ppm * 1e-6)

    def time_of(self, device_ns: int) -> int:
        """Return the true time of a stamp."""
        rough_ns = device_ns - self.offset_ns
        return device_ns + self.cell_ns // 2 - self.offset_at(rough_ns)

    def read(self, device_ns: int, received_ns: int | None) -> ClockReading:
        """Tell the time of an event, never after its receipt."""
        time_ns, half_ns = self.time_of(device_ns), self.uncertainty_ns
        offset_ns = self.offset_at(time_ns)
        if received_ns is not None and time_ns > received_ns:
            time_ns, half_ns = received_ns, half_ns + time_ns - received_ns
        status: Status = "synced" if -self.uncertainty_ns <= offset_ns <= self.uncertainty_ns else "estimated"
        return ClockReading(time_ns, offset_ns, self.drift_ppm, half_ns, status, self.epoch, None)

    def holds(self, sequence: int | None) -> bool:
        """Tell whether an event of a sequence number lies between its first and its last one."""
        if sequence is None or self.sequence_from is None or self.sequence_until is None:
            return False
        return self.sequence_from <= sequence <= self.sequence_until


class Hindsight:
    """Finds the stretch of an event by its source and its stamp.

    Args:
        stretches: In any order.
    """

    def __init__(self, stretches: Iterable[Stretch]) -> None:
        self._rows = defaultdict[str, list[Stretch]](list)
        for each in stretches:
            self._rows[each.source].append(each)
        self._from: dict[str, list[int]] = {}
        self._latest: dict[str, list[int]] = {}
        for source, rows in self._rows.items():
            rows.sort(key=lambda each: (each.device_from_ns, each.received_from_ns))
            self._from[source] = [each.device_from_ns for each in rows]
            self._latest[source] = list(accumulate((each.device_until_ns for each in rows), max))

    def find(
        self, source: str, device_ns: int, *, received_ns: int | None = None, sequence: int | None = None
    ) -> Stretch | None:
        """Return the stretch that an event belongs to; None when nothing is known of that time.

        Where several hold the stamp, as after a clock was set back, those that began after the event's receipt are
        out; then the sequence number decides, then the newest.

        Args:
            source: Logical source id.
            device_ns: The device's stamp.
            received_ns: When the event was received, where it is known.
            sequence: The device's own number of the event.
        """
        found = [
            each
            for each in self._holding(source, device_ns)
            if received_ns is None or each.received_from_ns - each.uncertainty_ns <= received_ns
        ]
        numbered = [each for each in found if each.holds(sequence)]
        return max(numbered or found, key=lambda each: each.received_from_ns, default=None)

    def _holding(self, source: str, device_ns: int) -> Iterable[Stretch]:
        if source not in self._from:
            return
        rows, latest = self._rows[source], self._latest[source]
        index = bisect_right(self._from[source], device_ns) - 1
        while index >= 0 and latest[index] >= device_ns:
            if rows[index].device_until_ns >= device_ns:
                yield rows[index]
            index -= 1


class _Cut(msgspec.Struct):
    """A stretch before its ends are known in the device's time."""

    from_ns: int
    until_ns: int
    known: Epoch
    cell_ns: int


class LookBack:
    """Runs the model over one source's events, and cuts what it learned into stretches.

    A stretch has the line that was known at its end; what an epoch's last events are found to be in doubt of belongs to
    the next one. Stretches of which nothing was learned are left out: an erratic clock, or a few events.

    Args:
        source: Logical source id.
        policy: How its stamps reach us.

    Attributes:
        model: As far as it has learned; may be told bounds of the offset between two events.
    """

    def __init__(self, source: str, policy: ClockPolicy) -> None:
        self._source = source
        self.model = ClockModel(policy)
        self._events = array("q"), array("q"), array("q")
        self._from_ns = 0
        self._count = 0
        self._last: ClockReading | None = None
        self._cuts: list[_Cut] = []

    def observe(self, device_ns: int, received_ns: int, sequence: int | None) -> None:
        """Take the next event, in the order of receipt."""
        model, last = self.model, self._last
        if last is None:
            self._from_ns = received_ns
        elif received_ns - self._from_ns >= SPAN_NS:
            self._cut(received_ns, model.present_epoch(received_ns))
        self._last = reading = model.observe(device_ns, received_ns, sequence=sequence)
        if last is not None and reading.epoch != last.epoch:
            found = model.last_finding
            is_told = found is not None and found.until_ns == received_ns
            doubt_ns = found.from_ns if found is not None and is_told else self._events[0][-1]
            self._step(doubt_ns + 1, model.epochs[-1], last)
        self._count += 1
        sequence_ns = _NONE if sequence is None or not _NONE < sequence < -_NONE else sequence
        for kept, value in zip(self._events, (received_ns, device_ns, sequence_ns), strict=True):
            kept.append(value)

    def stretches(self) -> list[Stretch]:
        """Return what is known, oldest first; nothing can be observed after it."""
        received = self._events[0]
        if received:
            self._cut(received[-1] + 1, self.model.present_epoch(received[-1]))
        ended = [-1, *(each.known.number for each in self._cuts)]
        rows = [self._row(each, each.known.number != epoch) for each, epoch in zip(self._cuts, ended, strict=False)]
        for index, (before, after) in enumerate(pairwise(rows)):
            # Lines of one epoch meet: no stamp may fall between them.
            if before.epoch == after.epoch and before.device_from_ns <= after.device_from_ns:
                rows[index] = msgspec.structs.replace(before, device_until_ns=after.device_from_ns)
        return rows

    def _cut(self, until_ns: int, known: Epoch) -> None:
        is_known = self._last is not None and self._last.status != "unknown" and self._count >= FEW
        if is_known and until_ns > self._from_ns:
            self._cuts.append(_Cut(self._from_ns, until_ns, known, self.model.cell_ns))
        self._from_ns, self._count = until_ns, 0

    def _step(self, from_ns: int, ended: Epoch, last: ClockReading) -> None:
        """End the epoch where its events begin to be in doubt, which may lie before the last cut."""
        while self._cuts and self._cuts[-1].from_ns >= from_ns:
            self._from_ns = self._cuts.pop().from_ns
        if self._cuts and self._cuts[-1].until_ns > from_ns:
            self._cuts[-1].until_ns = self._from_ns = from_ns
        elif last.status != "unknown" and self._count >= FEW and from_ns > self._from_ns:
            self._cuts.append(_Cut(self._from_ns, from_ns, ended, self.model.cell_ns))
        self._from_ns, self._count = from_ns, 0

    def _row(self, cut: _Cut, is_first: bool) -> Stretch:
        """Make a stretch of a cut; the first one of an epoch may begin with what was held back on the way."""
        known = cut.known
        row = Stretch(
            source=self._source,
            epoch=known.number,
            received_from_ns=cut.from_ns,
            received_until_ns=cut.until_ns,
            device_from_ns=0,
            device_until_ns=0,
            at_ns=known.until_ns,
            offset_ns=known.offset_ns,
            drift_ppm=known.drift_ppm,
            uncertainty_ns=known.uncertainty_ns,
            cell_ns=cut.cell_ns,
        )
        shown = [each + row.offset_at(each) for each in (cut.from_ns, cut.until_ns)]
        if is_first:
            shown[0] = min(shown[0], self._events[1][bisect_left(self._events[0], cut.from_ns)])
        numbers = self._numbers(cut, *shown)
        return msgspec.structs.replace(
            row,
            device_from_ns=shown[0],
            device_until_ns=max(shown),
            sequence_from=min(numbers, default=None),
            sequence_until=max(numbers, default=None),
        )

    def _numbers(self, cut: _Cut, from_ns: int, until_ns: int) -> list[int]:
        """Return the sequence numbers of a stretch, without those of late events that belong to an earlier one."""
        received, device, sequence = self._events
        within = range(bisect_left(received, cut.from_ns), bisect_left(received, cut.until_ns))
        return [sequence[i] for i in within if sequence[i] != _NONE and from_ns <= device[i] <= until_ns]
