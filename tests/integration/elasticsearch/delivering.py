"""An alert log that is filled while it is delivered, and what must have arrived in the end."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Self

import msgspec
from elasticsearch import Elasticsearch

from connectors.elasticsearch.settings import Elasticsearch as Connection
from detector.alert import Alert
from detector.alerting.sinks.elasticsearch import ElasticsearchAlerts
from detector.alerting.sinks.settings import ElasticsearchSink
from detector.runtime.embedded.delivery import Delivery
from detector.runtime.embedded.store import Checkpoint, EngineStore

SINK = "0-elasticsearch"


class Figures(msgspec.Struct):
    """What a run came to, for those who read the test's output.

    Attributes:
        alerts: Different alerts.
        revisions: Revisions committed.
        longest_commit_ms: Longest commit of the engine's side; an outage must not hold it up.
        caught_up_s: From the end of the outage until everything was taken.
    """

    alerts: int = 0
    revisions: int = 0
    longest_commit_ms: float = 0.0
    caught_up_s: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.alerts} alerts, {self.revisions} revisions, longest commit {self.longest_commit_ms:.0f} ms, "
            f"caught up in {self.caught_up_s:.1f} s"
        )


class Engine:
    """Commits revisions as the engine does, and delivers them to a cluster."""

    def __init__(self, folder: Path, connection: Connection, **sink: Any) -> None:  # noqa: ANN401  settings
        folder.mkdir(exist_ok=True)
        self.store = EngineStore(folder / "engine.db", durable=False)
        settings = ElasticsearchSink(connection=connection, **sink)
        self.delivery = Delivery(self.store, {SINK: ElasticsearchAlerts(settings, now_ns=time.time_ns)})
        self.latest: dict[str, Alert] = {}
        self.figures = Figures()
        self._commits = 0

    async def __aenter__(self) -> Self:
        """Begin delivering."""
        self.delivery.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, with what is not delivered still in the log."""
        await self.delivery.stop(timeout_s=0.1)
        self.store.close()

    @property
    def is_up(self) -> bool:
        """Tell whether the cluster takes what it is given."""
        return self.delivery.up[SINK]

    async def commit(self, *alerts: Alert) -> None:
        """Commit revisions in one checkpoint."""
        self._commits += 1
        began_s = time.monotonic()
        self.store.commit(Checkpoint(self._commits, alerts=list(alerts)))
        self.figures.longest_commit_ms = max(self.figures.longest_commit_ms, (time.monotonic() - began_s) * 1e3)
        self.delivery.wake()
        self.latest |= {alert.id: alert for alert in alerts}
        self.figures.alerts, self.figures.revisions = len(self.latest), self.figures.revisions + len(alerts)
        await asyncio.sleep(0)

    async def rise(self, alerts: int, *, times: int = 1, filler: int = 500) -> None:
        """Raise the revision of that many alerts, each so many times, a checkpoint a round."""
        for _ in range(times):
            risen = list[Alert]()
            for number in range(alerts):
                alert_id = f"2026{number % 2 + 10}-{number:032x}"
                last = self.latest.get(alert_id)
                risen.append(made(alert_id, 1 if last is None else last.revision + 1, filler))
            await self.commit(*risen)
            await asyncio.sleep(0.02)

    async def until(self, *, up: bool, within_s: float = 30.0) -> None:
        """Wait until the sink is said to be up or down."""
        await self._wait(lambda: self.is_up == up, within_s)

    async def delivered(self, within_s: float = 60.0) -> None:
        """Wait until nothing is left to deliver."""
        began_s = time.monotonic()
        await self._wait(lambda: self.delivery.backlog() == 0, within_s)
        self.figures.caught_up_s = time.monotonic() - began_s

    async def _wait(self, done: Any, within_s: float) -> None:  # noqa: ANN401  a question
        deadline = time.monotonic() + within_s
        while not done():
            if time.monotonic() > deadline:
                raise TimeoutError(f"up: {self.is_up}, waiting: {self.delivery.backlog()}")
            await asyncio.sleep(0.02)

    def arrived(self, admin: Elasticsearch) -> None:
        """Check that the cluster holds each alert once, at its last revision, and nothing was given up."""
        held = holdings(admin)
        assert {key: each["_version"] for key, each in held.items()} == {
            key: alert.revision for key, alert in self.latest.items()
        }
        for key, alert in self.latest.items():
            document = held[key]["_source"]
            del document["event"]["ingested"]
            assert document == alert.document
        assert self.store.count_dead_letters() == 0


def made(alert_id: str, revision: int, filler: int = 500) -> Alert:
    """Make a revision of a size."""
    document = {
        "@timestamp": "2026-10-20T01:02:03Z",
        "message": "x" * filler,
        "event": {"id": alert_id, "kind": "alert", "severity": 73},
        "convergence": {"alert": {"revision": revision, "status": "active"}},
    }
    return Alert(alert_id, revision, document)


def holdings(admin: Elasticsearch) -> dict[str, dict[str, Any]]:
    """Return all alerts that the cluster holds; an id in two indices would be one too many."""
    admin.indices.refresh(index="isthmus-alerts-*")
    found = admin.search(index="isthmus-alerts", size=10_000, version=True)["hits"]["hits"]
    assert len({each["_id"] for each in found}) == len(found)
    return {each["_id"]: each for each in found}
