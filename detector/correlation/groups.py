"""The groups of one correlation: made when first needed, forgotten when too old, and never too many."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from detector.candidate import GroupKey
from detector.correlation.deadlines import Deadlines
from detector.correlation.group import Group
from detector.correlation.ordering import NOT_YET
from detector.correlation.plan import Plan


class Groups:
    """Groups by key, filed by when they can be forgotten.

    When their candidates together exceed the budget, groups that hold a single candidate go first, the one nearest
    to its deadline before the others: a flood of new keys pushes out its own kind, never a session that went on.

    Args:
        plan: The correlation.
        make: Makes the group of a key.

    Attributes:
        known: The groups.
        lateness_ns: L of the correlation.
        retention_ns: How long a candidate is kept.
        order_ns: Order value of what was applied last.
        candidates: How many all groups hold.
        overflowed_ns: Start of the period for which an overflow was reported.
    """

    __slots__ = (
        "_make", "_others", "_singles", "candidates", "known", "lateness_ns", "order_ns", "overflowed_ns", "plan",
        "retention_ns",
    )  # fmt: skip

    def __init__(self, plan: Plan, make: Callable[[GroupKey], Group]) -> None:
        self.plan = plan
        self.known: dict[GroupKey, Group] = {}
        self.lateness_ns = plan.lateness_ns
        self.retention_ns = plan.retention_ns
        self.order_ns = NOT_YET
        self.candidates = 0
        self.overflowed_ns = NOT_YET
        self._make = make
        self._singles = Deadlines(plan.retention_ns)
        self._others = Deadlines(plan.retention_ns)

    def open(self, key: GroupKey, time_ns: int) -> Group:
        """Make a group, to be looked at again when a candidate of that time is too old."""
        group = self.known[key] = self._make(key)
        self._singles.file(time_ns + self.retention_ns, key)
        return group

    def of(self, key: GroupKey) -> Group:
        """Return the group of a key, while state is restored; `restored` files it."""
        group = self.known.get(key)
        if group is None:
            group = self.known[key] = self._make(key)
        return group

    def restored(self) -> None:
        """Count and file what was restored."""
        self.candidates = 0
        for key, group in self.known.items():
            self.candidates += len(group.window)
            self._file(key, group)

    def past(self, order_ns: int) -> Iterator[tuple[GroupKey, Group]]:
        """Take the groups that may be too old; each is to be dropped or kept."""
        for deadlines in (self._singles, self._others):
            for key in deadlines.past(order_ns):
                yield key, self.known[key]

    def keep(self, key: GroupKey, group: Group) -> None:
        """File a group that was taken and is still needed."""
        self._file(key, group)

    def drop(self, key: GroupKey) -> None:
        """Forget a group that was taken."""
        del self.known[key]

    def first_to_go(self) -> tuple[GroupKey, Group] | None:
        """Take the group that is missed least; None when there is none."""
        while (key := self._singles.first()) is not None:
            group = self.known[key]
            if not _went_on(group):
                return key, group
            self._file(key, group)
        key = self._others.first()
        return None if key is None else (key, self.known[key])

    def _file(self, key: GroupKey, group: Group) -> None:
        filed_ns = group.window.filed_ns() if len(group.window) else self.order_ns
        (self._others if _went_on(group) else self._singles).file(filed_ns + self.retention_ns, key)


def _went_on(group: Group) -> bool:
    return len(group.window) > 1 or group.state.draft is not None
