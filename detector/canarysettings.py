"""The section `canary` of the settings."""

from __future__ import annotations

import msgspec

from detector.duration import Duration, parse_duration

_LEAST = parse_duration("1s")


class CanarySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Records of our own through each domain, which must come out as test alerts.

    Attributes:
        every: How often they are sent, by `isthmus run` and `isthmus connect`; 0s: never, and none is missed.
        within: They are overdue when they take longer than this and the lateness of their datasets.
    """

    every: Duration = parse_duration("5m")
    within: Duration = parse_duration("60s")

    def __post_init__(self) -> None:
        """Refuse what would be a load of its own."""
        if self.every != 0 and self.every < _LEAST:
            raise ValueError(f"canary.every is below {int(_LEAST) / 1e9:g}s; 0s sends none")
