"""What every sink does, and what became of a batch that it was given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from detector.alert import Alert
from detector.errors import SinkRejectedError, SinkUnavailableError
from detector.task import DeadLetter


class Refusal(msgspec.Struct, frozen=True):
    """A revision that a sink will never take, and why; it becomes a dead letter."""

    alert: Alert
    reason: str


def letter_of(sink: str, refusal: Refusal) -> DeadLetter:
    """Make the dead letter of a refused revision."""
    alert = refusal.alert
    return DeadLetter(
        id=f"{alert.id}/{alert.revision}",
        stage=f"sink:{sink}",
        source="",
        dataset="isthmus.alert",
        received_ns=0,
        error=refusal.reason,
        value=msgspec.json.encode(alert.document),
    )


class Outcome(msgspec.Struct):
    """What became of a batch; what is in neither was taken.

    Attributes:
        waiting: Revisions to offer again later, in order.
        refused: Revisions not to offer again.
        problem: Why the first of those that wait does.
    """

    waiting: list[Alert] = []
    refused: list[Refusal] = []
    problem: str = ""


class Sink(Protocol):
    """Takes revisions of alerts. A repeat of a revision must change nothing at the receiver."""

    async def deliver(self, alerts: Sequence[Alert]) -> Outcome:
        """Hand revisions over, in order, as far as the receiver takes them now."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...


async def one_by_one(alerts: Sequence[Alert], hand_over: Callable[[Alert], Awaitable[None]]) -> Outcome:
    """Deliver to a receiver that takes one at a time; when it is down, the rest waits.

    Args:
        alerts: In order.
        hand_over: Raises SinkUnavailableError or SinkRejectedError.
    """
    outcome = Outcome()
    for place, alert in enumerate(alerts):
        try:
            await hand_over(alert)
        except SinkUnavailableError as error:
            return Outcome(list(alerts[place:]), outcome.refused, str(error))
        except SinkRejectedError as error:
            outcome.refused.append(Refusal(alert, str(error)))
    return outcome


class EventDocument(msgspec.Struct, frozen=True):
    """An event on its way out.

    Attributes:
        id: Of the event; `event.id` may be the device's own.
        fields: Flat, with `@timestamp`.
    """

    id: str
    fields: Mapping[str, Any]


class EventSink(Protocol):
    """Takes events, if its settings ask for them.

    Attributes:
        name: For messages and consumer groups.
    """

    name: str

    async def give(self, events: Sequence[EventDocument]) -> None:
        """Return when each event was taken, or refused and kept as a dead letter."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
