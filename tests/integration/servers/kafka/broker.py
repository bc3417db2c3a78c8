"""One Kafka broker and controller (KRaft) on loopback; all that it writes is in a folder of its own."""

from __future__ import annotations

import base64
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

import msgspec

from tests.integration.servers.ports import free_ports

_LOGGING = """\
status = warn
appender.c.type = Console
appender.c.name = C
appender.c.target = SYSTEM_ERR
appender.c.layout.type = PatternLayout
appender.c.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.c.ref = C
"""

_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    # One broker: an internal topic that wants three would never get a coordinator.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Fewer partitions of internal topics than the default 50: the first join of a group is quicker.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    # Default 3000: every first join would wait as long.
    "group.initial.rebalance.delay.ms": "0",
    # After SIGKILL the broker's old registration must expire before it may register again; default 9000.
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "300",
    # A transaction whose producer died holds back its readers until the next look; default 10000.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "auto.create.topics.enable": "false",
    "num.network.threads": "2",
    "num.io.threads": "4",
    # Default 128 MiB of heap.
    "log.cleaner.dedupe.buffer.size": "16777216",
}

_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


class Security(msgspec.Struct, frozen=True):
    """What a second listener asks for; the plaintext one stays, for the test itself.

    Attributes:
        tls: Broker settings of its certificate.
        scram: Users and passwords for SCRAM-SHA-512.
        plain: Users and passwords for PLAIN.
        protocol: SASL_SSL, or SSL for client certificates.
    """

    tls: dict[str, str]
    scram: dict[str, str] = {}
    plain: dict[str, str] = {}
    protocol: str = "SASL_SSL"


class KafkaBroker:
    """Can be stopped, killed, frozen and started again; keeps its data and its ports."""

    def __init__(
        self, jars: Path, work: Path, *, security: Security | None = None, settings: dict[str, str] | None = None
    ) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self._jars, self._work, self._security = jars, work, security
        self._log = work / "broker.log"
        self._port, self._controller_port, self._secure_port = free_ports(3)
        self.cluster_id = new_cluster_id()
        self.dump_classes = False
        self.process: subprocess.Popen[bytes] | None = None
        (work / "log4j2.properties").write_text(_LOGGING)
        lines = {**_SETTINGS, **self._listeners(), "log.dirs": str(work / "data"), **(settings or {})}
        (work / "server.properties").write_text("".join(f"{key}={value}\n" for key, value in lines.items()))

    @property
    def bootstrap(self) -> str:
        """Address of the plaintext listener."""
        return f"127.0.0.1:{self._port}"

    @property
    def secure_bootstrap(self) -> str:
        """Address of the listener with TLS."""
        return f"127.0.0.1:{self._secure_port}"

    def format(self) -> None:
        """Make an empty data folder, with the SCRAM users."""
        users = self._security.scram if self._security is not None else {}
        command = self._java("128m", "kafka.tools.StorageTool", "format", "-t", self.cluster_id)
        command += ["-c", str(self._work / "server.properties")]
        for name, password in users.items():
            command += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603  our own
        if done.returncode:
            raise RuntimeError(f"format failed: {done.stdout}\n{done.stderr}")

    def start(self, *, timeout_s: float = 90.0) -> KafkaBroker:
        """Start and wait until it answers."""
        if not (self._work / "data" / "meta.properties").exists():
            self.format()
        with self._log.open("ab") as log:
            command = self._java("512m", "kafka.Kafka", str(self._work / "server.properties"))
            self.process = subprocess.Popen(  # noqa: S603  our own
                command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the broker did not come up:\n{self._log.read_text(errors='replace')[-4_000:]}")
            time.sleep(0.05)
        return self

    def stop(self, *, timeout_s: float = 20.0) -> None:
        """Stop it cleanly."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """End it as a power failure would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _listeners(self) -> dict[str, str]:
        listeners = {"PLAINTEXT": self._port, "CONTROLLER": self._controller_port}
        protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
        security = self._security
        lines = dict[str, str]()
        if security is not None:
            listeners["SECURE"], protocols["SECURE"] = self._secure_port, security.protocol
            mechanisms = [*(["SCRAM-SHA-512"] if security.scram else []), *(["PLAIN"] if security.plain else [])]
            users = " ".join(f'user_{name}="{password}"' for name, password in security.plain.items())
            lines = {
                **security.tls,
                "sasl.enabled.mechanisms": ",".join(mechanisms),
                "listener.name.secure.scram-sha-512.sasl.jaas.config": _SCRAM,
                "listener.name.secure.plain.sasl.jaas.config": f"{_PLAIN} {users};",
            }
        reachable = {name: port for name, port in listeners.items() if name != "CONTROLLER"}
        return {
            **lines,
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items()),
            "advertised.listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in reachable.items()),
            "listener.security.protocol.map": ",".join(f"{name}:{value}" for name, value in protocols.items()),
        }

    def _java(self, heap: str, *arguments: str) -> list[str]:
        archive = self._jars / "classes.jsa"
        classes = [f"-XX:SharedArchiveFile={archive}", "-Xshare:auto"] if archive.exists() else []
        if self.dump_classes:
            classes = [f"-XX:ArchiveClassesAtExit={archive}"]
        # The first compiler only: a short run is over before the second one has paid for itself.
        options = [f"-Xms{heap}", f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        logging = f"-Dlog4j2.configurationFile={self._work / 'log4j2.properties'}"
        return ["java", *classes, *options, logging, "-cp", f"{self._jars}/*", *arguments]

    def _answers(self) -> bool:
        """Ask for ApiVersions: that the port accepts does not mean that the broker is ready."""
        request = b"\x00\x12\x00\x00\x00\x00\x00\x01\xff\xff"  # ApiVersions 0, correlation 1, no client id
        try:
            with socket.create_connection(("127.0.0.1", self._port), 0.5) as connection:
                connection.settimeout(2)
                connection.sendall(len(request).to_bytes(4, "big") + request)
                return bool(connection.recv(8))
        except OSError:
            return False


def new_cluster_id() -> str:
    """Return 16 random bytes in URL-safe base64, as the broker wants them; a leading "-" would be an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if not text.startswith("-"):
            return text
