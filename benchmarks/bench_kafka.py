"""What the engine costs on a real Kafka broker: each stage and the whole line, beside bare clients in the same run.

Run: ``python -m benchmarks.bench_kafka [--records 40000] [--rules PATH...] [--rate 1000] [--keys 1000000]``. It starts
the broker of the tests (Java and Maven are needed). Rates are records a second of one core's CPU time, of the workers
alone; the broker's own use is printed beside them, as both run on this machine. Latency and restore are wall time.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import faust
import msgspec
from aiokafka import AIOKafkaConsumer

from benchmarks.bench_line import records
from benchmarks.kafka_plant import PARTITIONS, Plant, cpu_s, kafka_of, until_applied, until_up
from detector.runtime.kafka.outgoing import Outgoing
from detector.runtime.kafka.state import read_latest
from detector.runtime.kafka.transaction import commit, discard, make_producer
from detector.runtime.topics.names import TopicNames
from detector.task import Record
from tests.integration.kafka.line import make_topics, settings_for
from tests.integration.kafka.living import growing
from tests.integration.kafka.workers import WorkerProcess
from tests.integration.servers.kafka.broker import KafkaBroker
from tests.integration.servers.kafka.jars import kafka_jars
from tests.integration.servers.kafka.topics import create_topics

AIM = 12_000
"""Records a second of a core, raw to alert, with SigmaHQ's and the bundled rules."""


async def measure_stages(plant: Plant, given: Sequence[Record]) -> None:
    """Let a worker of one stage after the other, then one and two of all, work off the same raw log."""
    await plant.prepare("stages", given)
    for stage in ("sense", "correlate", "group"):
        await _measure(plant, "stages", stage, 1, len(given) if stage == "sense" else None)
    for number in (1, 2):
        await plant.prepare(f"line{number}", given)
        await _measure(plant, f"line{number}", "sense,correlate,group", number, len(given))


async def _measure(plant: Plant, prefix: str, stages: str, number: int, count: int | None) -> None:
    """Print what workers cost above what their start costs, for each of `count` records or of those they apply."""
    start_s = await _start_s(plant, stages)
    broker = plant.broker.process
    assert broker is not None  # noqa: S101  it was started
    before_s, began_s = cpu_s(broker.pid), time.monotonic()
    workers = [plant.worker(prefix, stages, each) for each in range(number)]
    applied = await until_applied([plant.settings(prefix, each) for each in range(number)], count or 1)
    used_s = sum(cpu_s(each.pid) for each in workers) - start_s * number
    broker_s, wall_s = cpu_s(broker.pid) - before_s, time.monotonic() - began_s
    _end(workers)
    rate = (count or applied) / max(used_s, 1e-9)
    name = f"{number} worker, {stages}" if number == 1 else f"{number} workers, {stages}"
    used = f"{used_s:.1f} s of CPU in {wall_s:.0f} s, and the broker {broker_s:.1f} s"
    aim = f" ({rate / AIM:.2f} of the aim)" if "," in stages else ""
    print(f"{name:<34} {rate:>9,.0f} records/s a core{aim}; {used}")


_starts: dict[str, float] = {}


async def _start_s(plant: Plant, stages: str) -> float:
    """Return the CPU time of a start: imports, rules, joining, opening; measured on empty topics."""
    if stages not in _starts:
        worker = plant.worker("empty", stages)
        await until_up(plant.settings("empty"))
        _starts[stages] = cpu_s(worker.pid)
        _end([worker])
    return _starts[stages]


def _end(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    for each in workers:
        each.terminate()
        each.wait()


async def measure_clients(plant: Plant, given: Sequence[Record]) -> None:
    """Read the same raw log by clients alone, doing nothing with it."""
    settings = await plant.prepare("clients", given)
    brokers, topic = kafka_of(settings).connection.brokers, TopicNames("clients").raw
    await _print_client("bare aiokafka", len(given), lambda: _bare(brokers, topic, len(given)))
    await _print_client("stock Faust", len(given) // 4, lambda: _stock(brokers, topic, len(given) // 4))
    if find_spec("confluent_kafka") is None:
        print(f"{'bare confluent-kafka':<28} not installed")


async def _print_client(name: str, count: int, read: Callable[[], Awaitable[None]]) -> None:
    began_s = time.process_time()
    await read()
    print(f"{name:<28} {count / (time.process_time() - began_s):>9,.0f} records/s a core   reading alone")


async def _bare(brokers: list[str], topic: str, count: int) -> None:
    async with AIOKafkaConsumer(topic, bootstrap_servers=brokers, auto_offset_reset="earliest") as reader:
        while count > 0:
            count -= sum(map(len, (await reader.getmany(timeout_ms=500)).values()))


async def _stock(brokers: list[str], topic: str, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        app = faust.App(
            "stock",
            broker=[f"kafka://{each}" for each in brokers],
            datadir=folder,
            store="memory://",
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
        )
        done = asyncio.Event()
        seen = 0

        async def take(stream: Any) -> None:  # noqa: ANN401  Faust's own stream
            nonlocal seen
            async for _ in stream:
                seen += 1
                if seen == count:
                    done.set()

        raw: dict[str, Any] = {"key_type": bytes, "value_type": bytes, "value_serializer": "raw"}
        app.agent(app.topic(topic, partitions=PARTITIONS, **raw), name="take")(take)
        app.finalize()
        await app.start()
        await done.wait()
        await app.stop()


async def measure_latency(broker: KafkaBroker, folder: Path, rate: int, seconds: float) -> None:
    """Send records of doors at a rate, and see when a subscriber that reads committed has their alerts."""
    settings = settings_for(folder, broker.bootstrap, "latency")
    await make_topics(settings, recorded=False)
    worker = WorkerProcess(folder / "isthmus.yml", "latency")
    await worker.at_work()
    await asyncio.sleep(5)
    found = dict[str, list[float]]()
    listening = asyncio.create_task(_listen(broker.bootstrap, found))
    async with growing(settings, rate=rate, delay_ms=1):
        await asyncio.sleep(seconds)
    await asyncio.sleep(5)
    listening.cancel()
    worker.stop()
    for name, each in sorted(found.items()):
        each.sort()
        p50, p95, p99 = (each[int(len(each) * share)] for share in (0.5, 0.95, 0.99))
        print(f"alert {name:<22} p50 {p50:>5.0f}  p95 {p95:>5.0f}  p99 {p99:>5.0f} ms, {len(each)} at {rate} records/s")


async def _listen(bootstrap: str, found: dict[str, list[float]]) -> None:
    reader = AIOKafkaConsumer(
        TopicNames("latency").alerts,
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        fetch_max_wait_ms=50,
    )
    async with reader:
        async for record in reader:
            document = msgspec.json.decode(record.value)
            if document["convergence"]["alert"]["revision"] == 1:
                ended_s = datetime.fromisoformat(document["event"]["end"]).timestamp()
                found.setdefault(document["rule"]["name"], []).append((time.time() - ended_s) * 1e3)


async def measure_restore(broker: KafkaBroker, keys: int) -> None:
    """Fill one partition of a state topic, and take its task over."""
    await create_topics(broker.bootstrap, {"restore": 1}, compacted=("restore",))
    client = {"bootstrap_servers": [broker.bootstrap]}
    producer = make_producer(client, "restore")
    await producer.start()
    value = b"\x01" + msgspec.msgpack.encode("x" * 150)
    for start in range(0, keys, 20_000):
        entries = [Outgoing("restore", 0, b"i%d" % number, value) for number in range(start, min(start + 20_000, keys))]
        await commit(producer, entries, "restore")
    await discard(producer)
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    found = await read_latest(client, "restore", 0)
    wall_s, used_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
    print(f"restore of {len(found):,} keys: {wall_s:.1f} s, {used_s:.1f} s of CPU (aim: a million in 60 s)")


async def _measure_all(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        broker = KafkaBroker(kafka_jars(), folder / "broker").start()
        try:
            plant = Plant(folder, broker, given.rules)
            sample = list(records(given.records))
            await plant.prepare("empty", [])
            await measure_clients(plant, sample)
            await measure_stages(plant, sample)
            await measure_latency(broker, folder / "latency", given.rate, given.seconds)
            await measure_restore(broker, given.keys)
        finally:
            broker.kill()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the engine on Kafka.")
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--rules", type=Path, nargs="*", default=[], help="instead of the bundled ones")
    parser.add_argument("--rate", type=int, default=1_000, help="records a second while latency is measured")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--keys", type=int, default=1_000_000)
    asyncio.run(_measure_all(parser.parse_args()))


if __name__ == "__main__":
    main()
