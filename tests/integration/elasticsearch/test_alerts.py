"""Alerts in Elasticsearch: each once, as it was sent, at its last revision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from elasticsearch import Elasticsearch

from connectors.elasticsearch.settings import Elasticsearch as Connection
from detector.alert import Alert
from detector.alerting.sinks.delivery import Outcome
from detector.alerting.sinks.elasticsearch import ElasticsearchAlerts
from detector.alerting.sinks.settings import ElasticsearchSink
from detector.demo.player import Player
from detector.demo.setup import lay_out
from tests.deploy.mappings import leaves, types, unmapped

NOW_NS = 1_800_000_000 * 10**9


def _sink(connection: Connection) -> ElasticsearchAlerts:
    return ElasticsearchAlerts(ElasticsearchSink(connection=connection), now_ns=lambda: NOW_NS)


def _held(admin: Elasticsearch) -> dict[str, dict[str, Any]]:
    admin.indices.refresh(index="isthmus-alerts-*")
    found = admin.search(index="isthmus-alerts-*", size=1_000, version=True)
    return {each["_id"]: each for each in found["hits"]["hits"]}


async def test_the_days_alerts_come_back_as_they_were_sent(
    connection: Connection, admin: Elasticsearch, tmp_path: Path
) -> None:
    """The engine delivers while it runs; a field that was sent is there, and none but the time of its arrival more."""
    settings, inbox = lay_out(tmp_path / "plant")
    sink = ElasticsearchSink(connection=connection)
    player = Player(msgspec.structs.replace(settings, sinks=[sink]), inbox)
    summary = await player.play()
    await player.engine.stop()
    assert player.summary.dead_letters == 0
    held = _held(admin)
    assert len(summary.alerts) > 5
    assert set(held) == set(summary.alerts)
    for alert_id, alert in summary.alerts.items():
        document = held[alert_id]["_source"]
        assert document["event"].pop("ingested").startswith("20")
        assert document == msgspec.json.decode(msgspec.json.encode(alert.document))
        assert held[alert_id]["_version"] == alert.revision
        assert "_ignored" not in held[alert_id]
        assert unmapped({path for path, _ in leaves(document)}, types("isthmus-alerts")) == []
        assert held[alert_id]["_index"] == f"isthmus-alerts-{alert_id[:4]}.{alert_id[4:6]}"


async def test_repeats_and_lower_revisions_change_nothing(connection: Connection, admin: Elasticsearch) -> None:
    sink = _sink(connection)
    revisions = [Alert("202610-aa", n, {"event": {"id": "202610-aa"}, "message": str(n)}) for n in (1, 2, 3)]
    for batch in ([revisions[0]], revisions[1:], revisions[:2], [revisions[2]]):
        assert await sink.deliver(batch) == Outcome()
    await sink.close()
    held = _held(admin)
    assert list(held) == ["202610-aa"]
    assert held["202610-aa"]["_version"] == 3
    assert held["202610-aa"]["_source"]["message"] == "3"
    assert held["202610-aa"]["_source"]["event"]["ingested"] == "2027-01-15T08:00:00Z"
