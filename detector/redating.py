"""Events that were exported, dated anew by what is known afterwards of their sources' clocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detector.instant import instant_ns
from normalizers.clock.hindsight import METHOD, Hindsight
from normalizers.decoding import flatten
from normalizers.errors import NormalizerError
from normalizers.event import Value
from normalizers.timestamps import format_utc


def redated(events: Sequence[Mapping[str, Any]], hindsight: Hindsight, time_field: str) -> list[Mapping[str, Any]]:
    """Return events with the times of the epochs that they belong to; those of which nothing is known as they are.

    Args:
        events: Flat or nested. `convergence.feed.id` names the source, `convergence.clock.device_time` is its stamp
            (the time field, where there is none), `event.created` the receipt, `event.sequence` the device's number.
        hindsight: What is known.
        time_field: Where an event's time stands.
    """
    return [_redated(event, hindsight, time_field) for event in events]


def _redated(event: Mapping[str, Any], hindsight: Hindsight, time_field: str) -> Mapping[str, Any]:
    try:
        fields = flatten(dict(event))
    except NormalizerError:
        return event
    source, number = fields.get("convergence.feed.id"), fields.get("event.sequence")
    device_ns = instant_ns(fields.get("convergence.clock.device_time") or fields.get(time_field))
    received_ns = instant_ns(fields.get("event.created"))
    if not isinstance(source, str) or device_ns is None:
        return event
    sequence = number if isinstance(number, int) and not isinstance(number, bool) else None
    known = hindsight.find(source, device_ns, received_ns=received_ns, sequence=sequence)
    if known is None:
        return event
    reading = known.read(device_ns, received_ns)
    # Flat names after nested ones: what comes last counts.
    dated: dict[str, Value] = {
        time_field: format_utc(reading.time_ns),
        "convergence.clock.method": METHOD,
        "convergence.clock.status": reading.status,
        "convergence.clock.offset_ms": reading.offset_ns / 1e6,
        "convergence.clock.drift_ppm": reading.drift_ppm,
        "convergence.clock.uncertainty_ms": reading.uncertainty_ns / 1e6,
        "convergence.clock.epoch": reading.epoch,
        "convergence.clock.device_time": format_utc(device_ns),
    }
    return {**{name: value for name, value in event.items() if name not in dated}, **dated}
