"""What correlation asks of context: does a match that rested on a missing row still hold?"""

from __future__ import annotations

from typing import Protocol

import msgspec

from detector.candidate import Candidate
from normalizers.event import Value


class Settled(msgspec.Struct, frozen=True):
    """The answer, once it is final.

    Attributes:
        fields: All fields of the event with context joined again; None: the rule no longer matches.
    """

    fields: dict[str, Value] | None


class Settler(Protocol):
    """Looks a match up again with the rows known at its settling time S."""

    def settle(self, candidate: Candidate, rule_id: str, watermark_ns: int) -> Settled | None:
        """Answer for one waiting candidate.

        The answer must depend on `candidate` and S only, never on how far the watermark has come; and it must be
        given once `watermark_ns` has passed `candidate.ready_ns` + `context_wait`.

        Args:
            candidate: Its `unsettled` carries the event as it was before context was joined; `time_ns` and
                `ready_ns` bound S.
            rule_id: The detection rule that matched.
            watermark_ns: Every record with a smaller ready time has been read.

        Returns:
            None while the table's feed may still become current.
        """
        ...
