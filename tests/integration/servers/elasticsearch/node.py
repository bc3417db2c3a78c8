"""One Elasticsearch node on loopback, with TLS and users; all that it writes is in a folder of its own."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.integration.servers.elasticsearch.distribution import jdk_home
from tests.integration.servers.ports import free_ports

ADMIN, PASSWORD = "admin_test", "only-for-tests"
_NOBODY = 65534

_JVM_OPTIONS = """\
-Xms512m
-Xmx512m
-XX:+UseSerialGC
-XX:TieredStopAtLevel=1
-Djava.io.tmpdir=${ES_TMPDIR}
--add-modules=jdk.incubator.vector
-XX:CompileCommand=dontinline,java/lang/invoke/MethodHandle.setAsTypeCache
-XX:CompileCommand=dontinline,java/lang/invoke/MethodHandle.asTypeUncached
-Dorg.apache.lucene.store.defaultReadAdvice=normal
-Dorg.apache.lucene.store.MMapDirectory.sharedArenaMaxPermits=1
--add-opens=java.base/java.nio=org.apache.arrow.memory.core,ALL-UNNAMED
--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED
-XX:+ExitOnOutOfMemoryError
"""


class ElasticsearchNode:
    """Can be stopped, killed, frozen and started again; keeps its data and its port.

    Args:
        home: The unpacked server.
        users: Role of each; all have the one test password.
        settings: More of elasticsearch.yml.
    """

    def __init__(
        self, home: Path, *, users: dict[str, str] | None = None, settings: dict[str, str] | None = None
    ) -> None:
        # Beside the test's own folder: that is closed to the user which the server runs as under root.
        self._work = Path(tempfile.mkdtemp(prefix="isthmus-elasticsearch-"))
        self._port, self._transport_port = free_ports(2)
        self._home, self._config = self._work / "home", self._work / "config"
        shutil.copytree(home, self._home, copy_function=_link)
        shutil.copytree(home / "config", self._config)
        for name in ("data", "logs", "tmp"):
            (self._work / name).mkdir()
        self.certificate = self._config / "http.crt"
        self._make_certificate()
        self._write_config({ADMIN: "superuser", **(users or {})}, settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        _give_away(self._work, self._home)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://127.0.0.1:{self._port}"

    def start(self, *, timeout_s: float = 180.0) -> ElasticsearchNode:
        """Start, the first time or again, and wait until it answers."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._work),
            "ES_JAVA_HOME": str(jdk_home()),
            "ES_PATH_CONF": str(self._config),
            "ES_TMPDIR": str(self._work / "tmp"),
            "CLI_JAVA_OPTS": "-XX:TieredStopAtLevel=1",
        }
        # Elasticsearch refuses to run as root.
        user: dict[str, Any] = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        with (self._work / "stdout.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own
                [str(self._home / "bin" / "elasticsearch")],
                cwd=self._work,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **user,
            )
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self._work / "stdout.log").read_text(errors="replace")[-4_000:]
                self.stop(signal.SIGKILL)
                raise RuntimeError(f"the server did not come up:\n{said}")
            time.sleep(0.25)
        return self

    def stop(self, sign: int = signal.SIGTERM) -> None:
        """End it: in order, or with SIGKILL as a power failure would."""
        if self._process is None:
            return
        self.resume()
        self._signal(sign)
        deadline = time.monotonic() + 30
        while self._pids() and time.monotonic() < deadline:
            self._process.poll()
            time.sleep(0.05)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Keep the sockets and answer nothing: a hang, not a refusal."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        """Stop it and delete all that it wrote."""
        self.stop(signal.SIGKILL)
        shutil.rmtree(self._work, ignore_errors=True)

    def _signal(self, sign: int) -> None:
        for pid in self._pids():
            os.kill(pid, sign)

    def _pids(self) -> list[int]:
        """Return the launcher and the server, by the session that the launcher leads."""
        found = list[int]()
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, _, _, session = stat.read_text().rsplit(")", 1)[1].split()[:4]
            except OSError:
                continue
            if self._process is not None and int(session) == self._process.pid and state != "Z":
                found.append(int(stat.parent.name))
        return found

    def _answers(self) -> bool:
        request = urllib.request.Request(f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=5s")  # noqa: S310  https
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{ADMIN}:{PASSWORD}".encode()).decode())
        try:
            context = ssl.create_default_context(cafile=self.certificate)
            with urllib.request.urlopen(request, timeout=10, context=context) as reply:  # noqa: S310  https
                return bool(reply.status == 200)
        except OSError:
            return False

    def _make_certificate(self) -> None:
        request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        files = ["-keyout", str(self._config / "http.key"), "-out", str(self.certificate)]
        subprocess.run([*request, *names, *files], check=True, capture_output=True)  # noqa: S603  our own

    def _write_config(self, users: dict[str, str], settings: dict[str, str]) -> None:
        lines = {
            "cluster.name": "isthmus-test",
            "node.name": "test-1",
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "http.port": str(self._port),
            "transport.port": str(self._transport_port),
            "path.data": str(self._work / "data"),
            "path.logs": str(self._work / "logs"),
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            "xpack.security.enabled": "true",
            "xpack.security.authc.api_key.enabled": "true",
            "xpack.security.http.ssl.enabled": "true",
            "xpack.security.http.ssl.certificate": "http.crt",
            "xpack.security.http.ssl.key": "http.key",
            **settings,
        }
        content = {
            "jvm.options": _JVM_OPTIONS,
            "elasticsearch.yml": "".join(f"{key}: {json.dumps(value)}\n" for key, value in lines.items()),
            "users": "".join(f"{user}:{_hashed(PASSWORD)}\n" for user in users),
            "users_roles": "".join(f"{role}:{user}\n" for user, role in users.items()),
        }
        for name, text in content.items():
            (self._config / name).write_text(text)


def _link(source: str, target: str) -> str:
    """Share the server's files with the cache, which may lie where the server's user cannot look."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def _give_away(work: Path, shared: Path) -> None:
    work.chmod(0o755)
    if os.getuid() != 0:
        return
    for path in (work, *work.rglob("*")):
        if path != shared and shared not in path.parents:
            os.chown(path, _NOBODY, _NOBODY)


def _hashed(password: str) -> str:
    salt = os.urandom(32)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 10_000, 32)
    return "{PBKDF2}10000$" + base64.b64encode(salt).decode() + "$" + base64.b64encode(digest).decode()
