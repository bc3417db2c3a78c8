"""The steps of an alert as people read them, and the video that shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from detector.alerting.parties import texts_at
from detector.alerting.times import local, utc
from detector.candidate import Step
from detector.rules.model import RuleMeta

MARGIN_NS = 120 * 10**9
"""Video is wanted from two minutes before the first to two minutes after the last step."""

_OF_CLOCK = {
    "device_time": "convergence.clock.device_time",
    "clock_status": "convergence.clock.status",
    "clock_offset_ms": "convergence.clock.offset_ms",
}
"""What a step says of the clock that stamped it, and the field that holds it."""

_DAY_NS = 86_400 * 10**9


def evidence_of(steps: Sequence[Step], meta: Callable[[str], RuleMeta]) -> list[dict[str, Any]]:
    """Return the steps with corrected time, uncertainty and the device's own time."""
    evidence = list[dict[str, Any]]()
    rules = dict[str, list[str]]()
    for step in steps:
        rules.setdefault(step.event_id, []).append(meta(step.rule_name).name)
    for number, step in enumerate(each_once(steps), start=1):
        zone = _zone_of(step)
        entry: dict[str, Any] = {
            "step": number,
            "rule": ", ".join(dict.fromkeys(rules[step.event_id])),
            "event_id": step.event_id,
            "source": step.source,
            "time": utc(step.time_ns),
            "local_time": local(step.time_ns, zone),
            "uncertainty_ms": step.uncertainty_ns / 1e6,
            "summary": step.summary,
        }
        for name, path in _OF_CLOCK.items():
            value = step.fields.get(path)
            if value is not None:
                entry[name] = value
        evidence.append(entry)
    return evidence


def each_once(steps: Sequence[Step]) -> list[Step]:
    """Return one step an event: an event that plays two parts is still one thing that happened."""
    found = dict[str, Step]()
    for step in steps:
        found.setdefault(step.event_id, step)
    return list(found.values())


def timeline_of(steps: Sequence[Step]) -> str:
    """Return one line a step: site-local time with its offset, UTC, what happened."""
    lines = list[str]()
    for step in each_once(steps):
        moment = local(step.time_ns, _zone_of(step))
        lines.append(
            f"{moment[:10]} {moment[11:19]} {moment[19:] or '+00:00'} ({utc(step.time_ns)[11:19]}Z)  {step.summary}"
        )
    return "\n".join(lines)


def video_of(steps: Sequence[Step], zone: str | None) -> list[dict[str, Any]]:
    """Return the cameras to look at, from when to when, and until when their pictures are kept."""
    cameras = dict[str, list[Step]]()
    for step in steps:
        for camera in texts_at(step.fields, "convergence.camera.id"):
            cameras.setdefault(camera, []).append(step)
    video = list[dict[str, Any]]()
    for camera, shown in sorted(cameras.items())[:20]:
        from_ns = min(step.time_ns - step.uncertainty_ns for step in shown) - MARGIN_NS
        to_ns = max(step.time_ns + step.uncertainty_ns for step in shown) + MARGIN_NS
        entry: dict[str, Any] = {
            "camera": camera,
            "from": utc(from_ns),
            "to": utc(to_ns),
            "local_from": local(from_ns, zone),
            "local_to": local(to_ns, zone),
        }
        days = next((step.fields.get("convergence.camera.retention_days") for step in shown), None)
        if isinstance(days, int) and not isinstance(days, bool):
            entry["kept_until"] = utc(from_ns + days * _DAY_NS)
        video.append(entry)
    return video


def _zone_of(step: Step) -> str | None:
    zones = texts_at(step.fields, "convergence.location.timezone")
    return zones[0] if zones else None
