"""One record of each kind of state, as this program writes it: what is kept of them is in tests/data/detector/state.

After a change of layout raise `VERSION` in detector/stateversion.py, and freeze what the new one writes:

    python -m tests.detector.statesamples tests/data/detector/state/v3.json
"""

from __future__ import annotations

import base64
import json
import sys
from array import array
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import msgspec

from detector.alert import AlertDraft
from detector.candidate import Candidate, Step, Unsettled
from detector.correlation.correlator import Activation, Correlator, _Progress
from detector.correlation.groupstate import Decision, GroupState
from detector.correlation.liveness import Run
from detector.correlation.sightings import Sighting
from detector.correlation.statelog import StateLog, read_state
from detector.presence.sighting import Sighting as Presence
from detector.rules.loader import load_rules
from detector.runtime.assembly import TaskMaker
from detector.runtime.kafka.state import PROGRESS_KEY, Progress, decode_progress, encode_progress
from detector.runtime.stages.group import GroupTask, _Known
from detector.runtime.stages.journals import Journal
from detector.runtime.stages.presence import PresenceTask
from detector.runtime.stages.rhythm import Rhythm
from detector.runtime.stages.runs import _Run
from detector.runtime.stages.sense import SenseTask
from detector.runtime.stages.silence import Watched
from detector.settings import Settings
from detector.task import Unwatched
from normalizers.clock.envelope import Envelope
from normalizers.clock.model import ClockModel
from normalizers.clock.policy import ClockPolicy
from normalizers.clock.state import ClockFinding, ClockState, Epoch, Reference
from normalizers.context.store import ContextStore
from normalizers.event import EcsEvent

RULE = """
title: Seen
name: seen
logsource: {category: physical_access}
detection: {s: {event.action: access-granted}, condition: s}
"""

Samples = dict[str, tuple[bytes, bytes]]
"""Kind to key and value."""

_STEP = Step(
    rule_name="a", event_id="e1", time_ns=5, uncertainty_ns=2, source="s", summary="seen", fields={"user.name": "eve"}
)
_EVENT = EcsEvent(
    id="e1", time_ns=5, received_ns=6, uncertainty_ns=2, source="s", dataset="d", fields={"user.name": "eve"}
)
_CANDIDATE = Candidate(
    correlation_id="c",
    group=("eve", None),
    rule_name="a",
    event_id="e1",
    time_ns=5,
    ready_ns=7,
    uncertainty_ns=2,
    source="s",
    fields={"user.name": "eve", "source.port": 1, "tags": ["x"], "event.risk_score": 1.5},
    evidence=(_STEP,),
)
_DRAFT = AlertDraft(
    alert_id="202701-1",
    rule_id="c",
    group=("eve", None),
    status="active",
    opened_ns=5,
    last_ns=6,
    ready_ns=7,
    count=2,
    steps=(_STEP,),
    fields={"user.name": "eve"},
    order="certain",
    coverage="full",
    reason="2 in the window",
)


def samples() -> Samples:
    """Return a record of each kind, with fields that came later as they were before."""
    return {**_of("sense", _sense()), **_of("correlate", _correlate()), **_levels(), **_rest()}


def rewritten(kind: str, key: bytes, value: bytes) -> bytes:
    """Read a record as a task does that goes on with it, and return what the task would write now."""
    stage = kind.partition(" ")[0]
    if stage == "progress":
        return encode_progress(decode_progress(value))
    if stage == "level":
        return _level_again(key, value)
    task: Any = {"sense": _sense_task, "correlate": _correlate_task, "group": _group_task, "presence": _presence_task}[
        stage
    ]()
    task.restore(key, value)
    if stage == "sense":
        _soil_sense(task, key)
    elif stage == "correlate":
        _soil_correlate(task, key)
    elif stage == "group":
        task._dirty.add(key.decode())
    else:
        task._dirty[key] = task._history.of("eve")[0]
    return cast(bytes, dict(task.dirty())[key])


@lru_cache(maxsize=1)
def _maker() -> TaskMaker:
    return TaskMaker(Settings(), load_rules([RULE]), ContextStore(), raw_partitions=1)


def _sense_task() -> SenseTask:
    return _maker().sense(0, 1)


def _correlate_task() -> Correlator:
    return _maker().correlate({})


def _group_task() -> GroupTask:
    return _maker().group()


def _presence_task() -> PresenceTask:
    return PresenceTask(10**18)


def _of(stage: str, entries: Iterator[tuple[bytes, bytes | None]]) -> Samples:
    return {f"{stage} {key.decode()[:2]}".strip(): (key, value) for key, value in entries if value is not None}


def _sense() -> Iterator[tuple[bytes, bytes | None]]:
    task = _sense_task()
    hearing = task._hearing
    task._positions["in"] = 7
    hearing._silence._watched["s"] = Watched(9, "r9", 1, 8, "d", "physical", is_silent=True, until_ns=10, quiet_ns=3)
    hearing._silence._since_ns = 9
    hearing._silence._rhythms["s"] = Rhythm(bytes(range(168)))
    hearing._journals._journals["s\x1fdoor"] = Journal(5, {4: 44, 5: 55}, 9)
    hearing._runs._runs["s"] = _Run(9, 3)
    task._clocks._models["s"] = ClockModel(ClockPolicy(), _clock())
    task._clocks._last_ns["s"] = 9
    task._own._ready_ns["e1"] = 9
    for key in (b"iin", b"ws", b"rs", b"js\x1fdoor", b"hs", b"chs", b"ee1", b"s"):
        _soil_sense(task, key)
    yield from task.dirty()


def _clock() -> ClockState:
    return ClockState(
        line=Envelope(1.0, 0.5, 1e-6, 0.01, 1e-7, "hull", 24),
        reference=Reference(0.01, 0.02, 0.05, 100),
        count=3,
        xs=array("d", [1.0, 2.0]),
        ys=array("d", [0.5, 0.6]),
        recent_xs=array("d", map(float, range(70))),
        recent_ys=array("d", [0.5] * 70),
        finding=ClockFinding("clock-stepped", "step", 5, 1, 2, 1),
        epochs=[Epoch(0, 1, 2, 3, 4.0, 5)],
    )


def _soil_sense(task: SenseTask, key: bytes) -> None:
    name, hearing = key[1:].decode(), task._hearing
    match key[:1]:
        case b"i":
            task._dirty.add(name)
        case b"w":
            hearing._silence._heard.add(name)
        case b"r":
            hearing._silence._learned.add(name)
        case b"s":
            hearing._silence._is_since_news = True
        case b"j":
            hearing._journals._dirty.add(name)
        case b"h":
            hearing._runs._dirty.add(name)
        case b"e":
            task._own._dirty.add(name)
        case _:
            clocks, source = task._clocks, name[1:]
            if source not in clocks._models:
                clocks._models[source] = ClockModel(ClockPolicy(), _with_parts(clocks._stored[source]))
                clocks._last_ns.setdefault(source, 9)
            clocks._dirty.add(source)


def _with_parts(stored: Any) -> ClockState:  # noqa: ANN401  one part of it, and the rest as it is in `_clock`
    whole = ClockModel(ClockPolicy(), _clock()).stored()
    parts = {name: getattr(stored, name) or getattr(whole, name) for name in ("head", "recent", "minima")}
    return msgspec.structs.replace(whole, **parts).joined()


def _correlate() -> Iterator[tuple[bytes, bytes | None]]:
    task = _correlate_task()
    unsettled = msgspec.structs.replace(_CANDIDATE, unsettled=Unsettled(("approvals",), _EVENT))
    task._dirty[b"p"] = _Progress({0: (5, 1)}, {1: (5, 5), 2: (4, 4), 3: (3, 3)}, 1)
    task._dirty[b"a"] = [Unwatched(None, 1), Unwatched(4, 5)]
    task._dirty[b"m"] = {"c": Activation("meaning", 5)}
    task._dirty[b"hs"] = [Run(1, 2), Run(4, 5)]
    task._dirty[b"uu"] = unsettled
    task._dirty[b"ee"] = _CANDIDATE
    yield from task.dirty()


def _soil_correlate(task: Correlator, key: bytes) -> None:
    name = key[1:].decode()
    if key == b"p":
        task._dirty[key] = _Progress(task._watermark.entries(), task._passed, task._watch.from_ns)
    elif key == b"a":
        task._dirty[key] = task._watch.away
    elif key == b"m":
        task._dirty[key] = task._activations
    elif key[:1] == b"h":
        task._dirty[key] = task._watch.liveness.runs(name)
    else:
        task._dirty[key] = (task._unsettled if key[:1] == b"u" else task._early)[name]


def _levels() -> Samples:
    log = StateLog()
    log.keep(_CANDIDATE)
    log.group("c", ("eve", None), GroupState(_DRAFT, 8, 9))
    log.decision("c", ("eve", None), "e1", Decision("e1", 9, _DRAFT, held=True))
    log.decision("c", ("eve", None), "v", Sighting(("v",), 9))
    names = ("candidate", "group", "decision", "sighting")
    return {f"level {name}": (key, value or b"") for name, (key, value) in zip(names, log.take(), strict=True)}


def _level_again(key: bytes, value: bytes) -> bytes:
    stored, log = read_state(key, value), StateLog()
    if isinstance(stored, Candidate):
        log.keep(stored)
    elif isinstance(stored[2], GroupState):
        log.group(stored[0], stored[1], stored[2])
    else:
        log.decision(stored[0], stored[1], key.decode().split("\x1f")[2], stored[2])
    return cast(bytes, dict(log.take())[key])


def _rest() -> Samples:
    group, presence = _group_task(), _presence_task()
    group._put("202701-1", _Known(_DRAFT, frozenset({"person:eve"}), 2, "202701-1", "b1", ("202701-0",)))
    seen = Presence("eve", 5, "e1", "in", "plant", ("plant", "hall"), "door", "full", 2)
    presence._dirty[b"eve\x1f5\x1fe1"] = seen
    ((group_key, known),) = group.dirty()
    ((presence_key, sighting),) = presence.dirty()
    return {
        "group": (group_key, known or b""),
        "presence": (presence_key, sighting or b""),
        "progress": (PROGRESS_KEY, encode_progress(Progress(5, 2, 9))),
    }


def load(path: Path) -> Samples:
    """Read frozen samples."""
    found = json.loads(path.read_text())
    return {kind: (base64.b64decode(each["key"]), base64.b64decode(each["value"])) for kind, each in found.items()}


def freeze(path: Path) -> None:
    """Write samples to a file, for as long as anything of this version may be left."""
    texts = {
        kind: {"key": base64.b64encode(key).decode(), "value": base64.b64encode(value).decode()}
        for kind, (key, value) in sorted(samples().items())
    }
    path.write_text(json.dumps(texts, indent=1) + "\n")


if __name__ == "__main__":
    freeze(Path(sys.argv[1]))
