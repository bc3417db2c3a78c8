"""Reads cases of correlations: rules, events in seconds, expected alerts.

A case::

    - name: both ends of the window belong to it
      correlation: {type: event_count, rules: [a], condition: {gte: 2}}
      events: [{a: 0}, {a: 10, u: 0.5, ready: 11}]
      alerts: [[0, 1]]

Rules `a` to `e` each match the `event.action` of their name; `rules` gives others, by name, as field and value, and
`documents` any YAML besides. `correlation` is named `t`, `correlations` names several; all have group-by `[k]` and
timespan `10s` unless they say otherwise, `first_seen` field `v`, learn `0s` and horizon `100s`. An event is its action
and its second, then `ready` (second), `u` (uncertainty in seconds), `source` and `id`; all else are its fields, and `k`
is `g`. With `clock` the input does not end: the raw log has come so far. An alert is the indexes of its events, or a
mapping with `at` and what is to be compared; it is of `t`, closed and not late unless it says otherwise.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import yaml

from detector.alert import AlertDraft
from detector.task import DeadLetter, EngineEvent, Output, PartitionClock
from tests.detector.correlation.driving import SECOND, Arrival, Bench, rule

FOLDER = Path(__file__).parents[2] / "data" / "detector" / "correlations"
_OF_ARRIVAL = frozenset({"ready", "u", "source", "id"})

Told = dict[str, Any]
"""One alert, as far as a case compares it."""


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One case, as written."""

    name: str
    events: list[dict[str, Any]]
    alerts: list[list[int] | dict[str, Any]]
    correlation: dict[str, Any] | None = None
    correlations: dict[str, dict[str, Any]] = {}
    rules: dict[str, dict[str, Any]] = {}
    documents: str = ""
    uncertainty: float = 0
    clock: float | None = None
    dead_letters: int = 0
    gaps: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether events alone say everything, so that they can be evaluated as a batch."""
        known = not any(_OF_ARRIVAL & set(event) for event in self.events)
        return known and self.clock is None and not self.uncertainty

    def text(self) -> str:
        """Return the rules as YAML."""
        documents = [rule(name, name) for name in "abcde" if name not in self.rules]
        documents += [
            yaml.safe_dump({"title": name, "name": name, "logsource": {}, "detection": {"s": fields, "condition": "s"}})
            for name, fields in self.rules.items()
        ]
        bodies = {**({} if self.correlation is None else {"t": self.correlation}), **self.correlations}
        for name, body in bodies.items():
            spans = {"during": {}, "first_seen": {"field": "v", "learn": "0s", "horizon": "100s"}}
            whole = {"group-by": ["k"], **spans.get(body["type"], {"timespan": "10s"}), **body}
            documents.append(yaml.safe_dump({"title": name, "name": name, "correlation": whole}))
        return "---\n".join([*documents, *([self.documents] if self.documents else [])])

    def arrivals(self) -> list[Arrival]:
        """Return the events; ids sort by index."""
        return [self._arrival(index, event) for index, event in enumerate(self.events)]

    def bench(self) -> Bench:
        """Return the rules, ready to run."""
        first_s = min((next(iter(event.values())) for event in self.events), default=0)
        return Bench(self.text(), uncertainty_s=float(self.uncertainty), first_s=first_s)

    def run(self) -> list[Output]:
        """Run everything at once, to the end of input or up to the clock."""
        bench = self.bench()
        correlator = bench.correlator()
        records = [candidate for arrival in self.arrivals() for candidate in bench.candidates(arrival)]
        if self.clock is None:
            return correlator.process(records) + correlator.finish()
        clock_ns = int(Decimal(str(self.clock)) * SECOND)
        return correlator.process([*records, PartitionClock(0, clock_ns, 0)])

    def expected(self) -> list[Told]:
        """Return the alerts that it expects."""
        found = [{"at": each} if isinstance(each, list) else dict(each) for each in self.alerts]
        return [{"of": "t", "status": "closed", "late": False, **each} for each in found]

    def told(self, draft: AlertDraft) -> Told:
        """Return an alert as a case writes it."""
        ids = [arrival.id for arrival in self.arrivals()]
        return {
            "of": draft.rule_id,
            "at": sorted({ids.index(step.event_id) for step in draft.steps}),
            "status": draft.status,
            "late": draft.late,
            "group": list(draft.group),
            "count": draft.count,
            "time": draft.last_ns / SECOND,
            "order": draft.order,
            "widened": draft.widened_ns / SECOND,
            "coverage": draft.coverage,
            "reason": draft.reason,
        }

    def _arrival(self, index: int, event: dict[str, Any]) -> Arrival:
        action, time_s = next(iter(event.items()))
        fields = {
            "event.action": action,
            "k": "g",
            **{k: v for k, v in event.items() if k not in {action, *_OF_ARRIVAL}},
        }
        return Arrival(
            str(event.get("id", f"{index:012d}")),
            time_s,
            event.get("ready", time_s),
            {path: value for path, value in fields.items() if value is not None},
            float(event.get("u", 0)),
            str(event.get("source", "")),
        )


def cases() -> dict[str, Case]:
    """Return every case by file and name."""
    found = dict[str, Case]()
    for path in sorted(FOLDER.glob("*.yml")):
        for each in msgspec.convert(yaml.safe_load(path.read_text()), list[Case]):
            key = f"{path.stem}: {each.name}"
            if key in found:
                raise ValueError(f"two cases are called {key!r}")
            found[key] = each
    return found


def compared(told: list[Told], expected: list[Told]) -> tuple[list[Told], list[Told]]:
    """Return both sides in one order, with only what the case compares.

    Alerts are paired by rule and events; a side that has more keeps them.
    """

    def place(each: Told) -> tuple[str, list[int], float]:
        return each["of"], each["at"], each.get("time", 0)

    told, expected = sorted(told, key=place), sorted(expected, key=place)
    cut = [{key: each[key] for key in want} for each, want in zip(told, expected, strict=False)]
    return [*cut, *told[len(expected) :]], expected


def gaps(outputs: list[Output]) -> int:
    """Return how many coverage gaps were noticed."""
    return sum(isinstance(each, EngineEvent) and each.kind == "coverage-gap" for each in outputs)


def dead_letters(outputs: list[Output]) -> int:
    """Return how many dead letters there are."""
    return sum(isinstance(each, DeadLetter) for each in outputs)
