"""What the groups that one event brings up come to: remembered, as a stream brings up the same ones again and again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from detector.matching.group import Found, Group

MAX_BYTES = 256 << 10
"""Memory of the outcomes of a plan, about; beyond it all are forgotten and worked out again."""

_OUTCOME = 400
_PART = 80
"""Bytes of an outcome, and of each group and rule in it."""

_MAX_OUTCOME = MAX_BYTES // 16
"""Bytes of an outcome that is not remembered."""


class Outcome(msgspec.Struct, frozen=True):
    """What some groups come to.

    Attributes:
        found: Rules that hold for certain, of row 0, in order.
        groups: Those that are to be checked.
        tries: How many rules there are in all groups.
    """

    found: tuple[Found, ...]
    groups: tuple[Group, ...]
    tries: int


class Outcomes(dict[tuple[int, ...], Outcome]):
    """Outcomes by the numbers of groups, in the order in which they were found and sometimes repeated.

    Args:
        groups: The groups of a plan.

    Attributes:
        bytes: Their memory, about.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        super().__init__()
        self._groups = groups
        self.bytes = 0

    def __missing__(self, numbers: tuple[int, ...]) -> Outcome:
        groups = [self._groups[number] for number in dict.fromkeys(numbers)]
        certain = {rule for group in groups if group.is_proven for rule in group.rules}
        outcome = Outcome(
            tuple((0, rule) for rule in sorted(certain)),
            tuple(group for group in groups if not group.is_proven),
            sum(len(group.rules) for group in groups),
        )
        size = _OUTCOME + _PART * (len(numbers) + len(certain))
        if size <= _MAX_OUTCOME:
            self.bytes += size
            if self.bytes > MAX_BYTES:
                self.clear()
                self.bytes = size
            self[numbers] = outcome
        return outcome
