"""What a group of `first_seen` remembers: each value with when it was seen last, or the last value alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple, Protocol

PART = "\x1f"
"""Between the parts of a composite value."""


NEVER = (-(2**63), "")
"""Time and value of what was seen last, before anything was."""


class Sighting(NamedTuple):
    """One thing remembered, as it is stored.

    Attributes:
        values: The value; with `memory: last` the one before it as well.
        time_ns: When it was seen last.
    """

    values: tuple[str, ...]
    time_ns: int


class Memory(Protocol):
    """What one group remembers. Entries are named by their value; the one entry of `memory: last` by nothing."""

    def __len__(self) -> int:
        """Return how many values are remembered."""
        ...

    def filed_ns(self) -> int:
        """Return when the value that is forgotten first was seen last."""
        ...

    def unknown(self, values: Collection[str], time_ns: int, oldest_ns: int) -> list[str]:
        """Return the values that are news.

        Args:
            values: Those of an event.
            time_ns: Its time.
            oldest_ns: What was seen last before this is forgotten.
        """
        ...

    def last(self, oldest_ns: int) -> str | None:
        """Return the value that was seen last; None when it is forgotten."""
        ...

    def note(self, values: Collection[str], time_ns: int, oldest_ns: int) -> Iterator[str]:
        """Remember values, and yield the names of the entries that changed; arguments as for `unknown`."""
        ...

    def forget(self, oldest_ns: int, keep: int | None = None) -> Iterator[str]:
        """Forget what was seen last before a time, then the oldest beyond a number; yield the names of the entries."""
        ...

    def entry(self, name: str) -> Sighting | None:
        """Return an entry as it is stored; None when it is forgotten."""
        ...

    def take_back(self, sighting: Sighting) -> None:
        """Restore an entry."""
        ...


class EveryValue:
    """`memory: all`: every value with when it was seen last.

    The one seen last stands apart: most keys only ever have one, and a million of those need no table each.
    """

    __slots__ = ("_last", "_others")

    def __init__(self) -> None:
        self._last: tuple[int, str] = NEVER
        self._others: dict[str, int] = _NOTHING

    def __len__(self) -> int:
        return len(self._others) + (self._last is not NEVER)

    def filed_ns(self) -> int:
        """Return when the value that is forgotten first was seen last."""
        return min(self._others.values(), default=self._last[0])

    def unknown(self, values: Collection[str], time_ns: int, oldest_ns: int) -> list[str]:  # noqa: ARG002
        """Return the values that are not remembered; one that was seen later than the event is."""
        return [each for each in values if self._seen_ns(each) < oldest_ns]

    def last(self, oldest_ns: int) -> str | None:
        """Return the value that was seen last; of one instant, the last by its text."""
        return self._last[1] if self._last[0] >= oldest_ns else None

    def note(self, values: Collection[str], time_ns: int, oldest_ns: int) -> Iterator[str]:  # noqa: ARG002
        """Remember values."""
        for each in values:
            if self._seen_ns(each) < time_ns:
                self.take_back(Sighting((each,), time_ns))
                yield each

    def forget(self, oldest_ns: int, keep: int | None = None) -> Iterator[str]:
        """Forget what is too old; of too many the oldest, several at once, so that each costs little."""
        gone = [each for each, time_ns in self._others.items() if time_ns < oldest_ns]
        excess = len(self) - len(gone) - (keep or 0)
        if keep is not None and excess > 0:
            kept = sorted((time_ns, each) for each, time_ns in self._others.items() if time_ns >= oldest_ns)
            gone += [each for _, each in kept[: excess + keep // _PART_OF_ALL]]
        for each in gone:
            del self._others[each]
            yield each
        if self._last is not NEVER and (self._last[0] < oldest_ns or keep == 0):
            yield self._last[1]
            self._last = NEVER

    def entry(self, name: str) -> Sighting | None:
        """Return a value as it is stored."""
        time_ns = self._seen_ns(name)
        return None if time_ns == NEVER[0] else Sighting((name,), time_ns)

    def take_back(self, sighting: Sighting) -> None:
        """Remember a value."""
        (value,), time_ns = sighting
        before_ns, before = self._last
        if self._last is NEVER or before == value:
            self._last = max(self._last, (time_ns, value))
            return
        if self._others is _NOTHING:
            self._others = {}
        if (time_ns, value) > self._last:
            self._others.pop(value, None)
            self._others[before] = before_ns
            self._last = (time_ns, value)
        else:
            self._others[value] = time_ns

    def _seen_ns(self, value: str) -> int:
        return (
            self._last[0] if value == self._last[1] and self._last is not NEVER else self._others.get(value, NEVER[0])
        )


class LastValue:
    """`memory: last`: the last value, and the one before it for what comes late."""

    __slots__ = ("_time_ns", "_values")

    def __init__(self) -> None:
        self._values: tuple[str, ...] = ()
        self._time_ns = 0

    def __len__(self) -> int:
        return 1 if self._values else 0

    def filed_ns(self) -> int:
        """Return when the last value was seen last."""
        return self._time_ns

    def unknown(self, values: Collection[str], time_ns: int, oldest_ns: int) -> list[str]:
        """Return the value if it is another one than before; the first one of all is none.

        An event older than what is remembered is news when it has neither of the two last values.
        """
        value = _as_one(values)
        if not self._values or self._time_ns < oldest_ns:
            return []
        known = self._values if time_ns < self._time_ns else self._values[:1]
        return [] if value in known else [value]

    def last(self, oldest_ns: int) -> str | None:
        """Return the last value."""
        return self._values[0] if self._values and self._time_ns >= oldest_ns else None

    def note(self, values: Collection[str], time_ns: int, oldest_ns: int) -> Iterator[str]:
        """Remember the value, unless a later one is known."""
        value = _as_one(values)
        if self._time_ns < oldest_ns:
            self._values = ()
        if self._values and time_ns < self._time_ns:
            return
        if self._values[:1] != (value,):
            self._values = (value, *self._values[:1])
        self._time_ns = time_ns
        yield ""

    def forget(self, oldest_ns: int, keep: int | None = None) -> Iterator[str]:
        """Forget the last value when it is too old."""
        if self._values and (self._time_ns < oldest_ns or keep == 0):
            self._values = ()
            yield ""

    def entry(self, name: str) -> Sighting | None:  # noqa: ARG002  there is one
        """Return the last value as it is stored."""
        return Sighting(self._values, self._time_ns) if self._values else None

    def take_back(self, sighting: Sighting) -> None:
        """Restore the last value."""
        self._values, self._time_ns = sighting.values, sighting.time_ns


_NOTHING: dict[str, int] = {}
"""The other values of a key that has only one; never written to."""

_PART_OF_ALL = 16
"""Of too many values, one in so many goes at a time."""


def _as_one(values: Collection[str]) -> str:
    """Write the members of a list as one value: what changed is the list."""
    return PART.join(sorted(values))
