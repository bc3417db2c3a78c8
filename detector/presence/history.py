"""The sightings that are kept, by person and in order of time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator

from detector.presence.sighting import Sighting

MAX_SIGHTINGS = 500_000
"""Sightings kept: 5,000 people at 20 doors a day for five days, some 200 MB; beyond it the oldest go."""

_NEVER = -(2**63)

Place = tuple[int, str]
"""Time and event id: the order of a person's sightings."""


class History:
    """What was told of each person, for as long as it may be asked.

    When something is forgotten depends on what was told, never on a clock: an hour nobody badges forgets nothing.

    Args:
        keep_ns: How long a sighting is kept, counted from the newest one.
        limit: How many are kept at most.

    Attributes:
        newest_ns: When the newest sighting was.
        evicted: How many went for want of room.
    """

    def __init__(self, keep_ns: int, limit: int = MAX_SIGHTINGS) -> None:
        self._keep_ns = keep_ns
        self._limit = limit
        self._people: dict[str, list[Sighting]] = {}
        self._arrived: deque[Sighting] = deque()
        self.newest_ns = _NEVER
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._arrived)

    def add(self, sighting: Sighting) -> bool:
        """Keep a sighting; returns whether it is news."""
        told = self._people.setdefault(sighting.person, [])
        at = bisect_left(told, _place(sighting), key=_place)
        if at < len(told) and _place(told[at]) == _place(sighting):
            return False
        insort(told, sighting, key=_place)
        self._arrived.append(sighting)
        self.newest_ns = max(self.newest_ns, sighting.time_ns)
        return True

    def forget(self) -> Iterator[Sighting]:
        """Drop what is too old or too much, in the order of arrival, and yield it."""
        oldest_ns = self.newest_ns - self._keep_ns
        while self._arrived and (len(self._arrived) > self._limit or self._arrived[0].time_ns < oldest_ns):
            self.evicted += self._arrived[0].time_ns >= oldest_ns
            gone = self._arrived.popleft()
            told = self._people[gone.person]
            del told[bisect_left(told, _place(gone), key=_place)]
            if not told:
                del self._people[gone.person]
            yield gone

    def settle(self) -> None:
        """Put what was restored in the order of time, in which it goes."""
        self._arrived = deque(sorted(self._arrived, key=_place))

    def of(self, person: str) -> list[Sighting]:
        """Return what was told of a person, and of everyone."""
        everyone = self._people.get("", [])
        return [*self._people.get(person, ()), *everyone]

    def people(self) -> list[str]:
        """Return who was told of."""
        return sorted(person for person in self._people if person)


def _place(sighting: Sighting) -> Place:
    return sighting.time_ns, sighting.event_id
