"""The subscriber of docs/how-to, run as it is printed there, and the embedded engine's sink."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from connectors.kafka.settings import KafkaConnection
from detector.alert import Alert
from detector.alerting.contract import alert_headers, alert_value
from detector.alerting.sinks.kafka import KafkaAlerts
from detector.alerting.sinks.settings import KafkaSink
from tests.detector.alerting.contract import ROOT, kept_alerts
from tests.integration.kafka.producing import make_topic
from tests.integration.servers.kafka.broker import KafkaBroker

_SCRIPT = re.compile(r"^```python subscriber\.py\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def _alert(number: int, revision: int, *, level: str = "critical", status: str = "active") -> Alert:
    document: dict[str, Any] = kept_alerts("v1")[0]
    alert_id = f"202610-{number:032x}"
    document["event"] |= {"id": alert_id, "reason": "the ticket came after all"}
    document["message"] = f"alert {number}"
    document["convergence"]["alert"] |= {"level": level, "status": status, "revision": revision}
    return Alert(alert_id, revision, document)


async def _commit(bootstrap: str, alerts: Sequence[Alert], *, abort: bool = False) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="isthmus-group-0")
    await producer.start()
    await producer.begin_transaction()
    for alert in alerts:
        await producer.send_and_wait(
            "isthmus.alerts.v1", alert_value(alert), key=alert.id.encode(), headers=alert_headers(alert)
        )
    await (producer.abort_transaction() if abort else producer.commit_transaction())
    await producer.stop()


class Subscriber:
    """One life of the script."""

    def __init__(self, folder: Path, broker: str) -> None:
        found = _SCRIPT.search((ROOT / "docs" / "how-to" / "subscribe-to-alerts.md").read_text(encoding="utf-8"))
        assert found is not None
        (folder / "subscriber.py").write_text(found["text"])
        self._output = folder / "output"
        with self._output.open("ab") as output:
            command = [sys.executable, str(folder / "subscriber.py"), broker]
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)  # noqa: S603  ours

    def until(self, count: int) -> list[str]:
        """Wait for so many lines over all lives; returns them."""
        deadline = time.monotonic() + 30
        while len(lines := self._output.read_text().splitlines()) < count and time.monotonic() < deadline:
            time.sleep(0.1)
        return lines

    def kill(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


@pytest.mark.slow
def test_the_printed_subscriber_sees_each_committed_revision(own_kafka: KafkaBroker, tmp_path: Path) -> None:
    """Not what was taken back by an abort, not what is below its severities, and nothing twice after a restart."""
    bootstrap = own_kafka.bootstrap
    asyncio.run(make_topic(bootstrap, 1, name="isthmus.alerts.v1"))
    asyncio.run(_commit(bootstrap, [_alert(1, 1), _alert(2, 1, level="low")]))
    asyncio.run(_commit(bootstrap, [_alert(3, 1)], abort=True))
    asyncio.run(_commit(bootstrap, [_alert(1, 2)]))
    subscriber = Subscriber(tmp_path, bootstrap)
    assert subscriber.until(1) == [f"NEW 202610-{1:032x} alert 1"]
    time.sleep(0.5)
    subscriber.kill()
    asyncio.run(_commit(bootstrap, [_alert(4, 1, level="high"), _alert(1, 3, status="withdrawn")]))
    subscriber = Subscriber(tmp_path, bootstrap)
    assert subscriber.until(3)[1:] == [
        f"NEW 202610-{4:032x} alert 4",
        f"WITHDRAWN 202610-{1:032x} the ticket came after all",
    ]
    subscriber.kill()


async def test_the_embedded_engine_writes_the_same_records(kafka: KafkaBroker) -> None:
    """Key, value and headers are those of the contract; an alert that is too large is refused, the rest goes on."""
    topic = await make_topic(kafka.bootstrap, 1)
    connection = KafkaConnection([kafka.bootstrap], plaintext=True)
    sink = KafkaAlerts(KafkaSink(connection, topic=topic))
    small, large = _alert(1, 1), _alert(2, 1)
    large.document["message"] = "x" * (2 << 20)
    outcome = await sink.deliver([small, large, _alert(1, 2)])
    await sink.close()
    assert [refusal.alert.id for refusal in outcome.refused] == [large.id]
    assert "takes no record of" in outcome.refused[0].reason
    assert outcome.waiting == []
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    first, second = [await asyncio.wait_for(consumer.getone(), 10) for _ in range(2)]
    await consumer.stop()
    assert (first.key.decode(), msgspec.json.decode(first.value)) == (small.id, small.document)
    assert list(first.headers) == alert_headers(small)
    assert dict(second.headers)["revision"] == b"2"


async def test_a_sink_waits_for_topic_and_broker(kafka: KafkaBroker) -> None:
    """Both are said, and nothing is lost: what waits is offered again."""
    alerts = [_alert(1, 1), _alert(2, 1)]
    for brokers, said in (([kafka.bootstrap], "there is no topic"), (["127.0.0.1:9"], "nothing listens there")):
        sink = KafkaAlerts(KafkaSink(KafkaConnection(brokers, plaintext=True), topic="none.such"))
        outcome = await sink.deliver(alerts)
        assert (outcome.waiting, outcome.refused) == (alerts, [])
        assert said in outcome.problem
        await sink.close()
