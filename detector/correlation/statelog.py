"""What changed of a level's state since the last checkpoint, and how it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from detector.candidate import Candidate, GroupKey
from detector.correlation.groupstate import Decision, GroupState
from detector.correlation.identity import group_id
from detector.correlation.sightings import Sighting
from detector.errors import StateError
from detector.stateversion import opened, sealed

_encoder = msgspec.msgpack.Encoder()
_candidates = msgspec.msgpack.Decoder(Candidate)
_groups = msgspec.msgpack.Decoder(tuple[str, GroupKey, GroupState])
_decisions = msgspec.msgpack.Decoder(tuple[str, GroupKey, Decision | Sighting])

Stored = Candidate | tuple[str, GroupKey, GroupState] | tuple[str, GroupKey, Decision | Sighting]
"""One entry: a candidate; or correlation, group and what is kept of the group, of a trigger, or of a value."""


class StateLog:
    """Collects changes; keys are computed and values encoded only when a checkpoint takes them."""

    def __init__(self) -> None:
        self._candidates: list[Candidate | Sequence[Candidate]] = []
        self._groups: dict[tuple[str, GroupKey], GroupState | None] = {}
        self._decisions: dict[tuple[str, GroupKey, str], Decision | Sighting | None] = {}
        self._obsolete: list[bytes] = []

    def keep(self, candidate: Candidate) -> None:
        """Store a candidate."""
        self._candidates.append(candidate)

    def forget(self, candidates: Sequence[Candidate]) -> None:
        """Delete candidates."""
        self._candidates.append(candidates)

    def group(self, correlation_id: str, key: GroupKey, state: GroupState | None) -> None:
        """Store what is kept of a group, as it will be when a checkpoint takes it; None deletes it."""
        self._groups[correlation_id, key] = state

    def decision(self, correlation_id: str, key: GroupKey, name: str, decision: Decision | Sighting | None) -> None:
        """Store what was decided about a trigger, or is remembered under a name; None deletes it."""
        self._decisions[correlation_id, key, name] = decision

    def obsolete(self, key: bytes) -> None:
        """Delete an entry that nobody will ever ask for again."""
        self._obsolete.append(key)

    def take(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what changed since the last call; what was met under another meaning first, as it may be there anew."""
        for key in self._obsolete:
            yield key, None
        places = dict[tuple[str, GroupKey], str]()

        def key_of(kind: str, correlation_id: str, group: GroupKey, event_id: str, rule_id: str) -> bytes:
            place = places.get((correlation_id, group))
            if place is None:
                place = places[correlation_id, group] = group_id(correlation_id, group)
            return f"{kind}\x1f{place}\x1f{event_id}\x1f{rule_id}".encode()

        latest = dict[bytes, Candidate | None]()
        for change in self._candidates:
            for each in (change,) if isinstance(change, Candidate) else change:
                key = key_of("c", each.correlation_id, each.group, each.event_id, each.rule_name)
                latest[key] = each if each is change else None
        for key, candidate in latest.items():
            yield key, None if candidate is None else sealed(_encoder.encode(candidate))
        for (correlation_id, group), state in self._groups.items():
            is_gone = state is None or state == GroupState()
            key = key_of("g", correlation_id, group, "", "")
            yield key, None if is_gone else sealed(_encoder.encode((correlation_id, group, state)))
        for (correlation_id, group, name), decision in self._decisions.items():
            key = key_of("d", correlation_id, group, name, "")
            yield key, None if decision is None else sealed(_encoder.encode((correlation_id, group, decision)))
        self._candidates, self._groups, self._decisions, self._obsolete = [], {}, {}, []


def read_state(key: bytes, state: bytes) -> Stored:
    """Read one entry back.

    Args:
        key: As `StateLog.take` yielded it.
        state: Its value.

    Raises:
        StateError: It is of an unknown version, or cannot be read.
    """
    body = opened(f"correlation state {key!r}", state)
    try:
        match key[:1]:
            case b"c":
                return _candidates.decode(body)
            case b"g":
                return _groups.decode(body)
            case _:
                return _decisions.decode(body)
    except msgspec.DecodeError as error:
        raise StateError(f"correlation state {key!r} cannot be read: {error}") from error
