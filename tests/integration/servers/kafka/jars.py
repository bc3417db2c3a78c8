"""Kafka's jars from Maven Central, and an archive of its classes that halves the time of a start."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests.integration.servers.cache import fetched, need
from tests.integration.servers.kafka.broker import KafkaBroker

VERSION = "4.4.0"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def kafka_jars() -> Path:
    """Return the folder of jars, or skip where Java or Maven is missing."""
    need("java", "mvn")
    return fetched(f"kafka-{VERSION}", _fetch)


def _fetch(folder: Path) -> None:
    pom = Path(__file__).with_name("pom.xml")
    command = ["mvn", "-B", "-ntp", "-q", "-f", str(pom), f"-Dkafka.version={VERSION}", _COPY]
    done = subprocess.run(  # noqa: S603  our own command
        [*command, "-DincludeScope=runtime", f"-DoutputDirectory={folder}"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"Maven could not fetch Kafka {VERSION}: {done.stdout[-2_000:]}")
    with tempfile.TemporaryDirectory() as work:
        broker = KafkaBroker(folder, Path(work) / "broker")
        broker.format()
        broker.dump_classes = True
        broker.start()
        broker.stop(timeout_s=60)
