"""The server from Maven Central, with a plugin for what that build lacks."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path

from tests.integration.servers.cache import absent, fetched, need

VERSION = "9.5.3"
_MIN_JAVA = 21
_HERE = Path(__file__).parent
_PLUGIN = _HERE / "gap_plugin"


def elasticsearch_home() -> Path:
    """Return the unpacked server, or skip where a JDK or Maven is missing."""
    need("mvn", "openssl")
    jdk_home()
    built = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_PLUGIN.rglob("*")) if path.is_file()))
    return fetched(f"elasticsearch-{VERSION}-{built.hexdigest()[:8]}", _fetch) / f"elasticsearch-{VERSION}"


def jdk_home() -> Path:
    """Return the newest JDK that the server runs on, or skip: a bare runtime lacks modules that it asks for."""
    homes = [Path(home) for home in (os.environ.get("ES_JAVA_HOME"), os.environ.get("JAVA_HOME")) if home]
    homes += sorted(Path("/usr/lib/jvm").glob("*"))
    found = {version: home for home in homes if (version := _jdk_version(home)) >= _MIN_JAVA}
    return found[max(found)] if found else absent(f"no JDK {_MIN_JAVA} or newer found; install one or set ES_JAVA_HOME")


def _jdk_version(home: Path) -> int:
    release = home / "release"
    if not release.is_file() or not (home / "bin" / "javac").exists():
        return 0
    found = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def _fetch(folder: Path) -> None:
    pom = ["-f", str(_HERE / "pom.xml"), f"-Des.version={VERSION}", f"-Des.dest={folder}"]
    _run(["mvn", "-B", "-ntp", "-q", *pom, "process-resources"])
    _install_plugin(folder / f"elasticsearch-{VERSION}")


def _install_plugin(home: Path) -> None:
    plugin = home / "plugins" / "es-gap"
    plugin.mkdir(parents=True)
    tools = jdk_home() / "bin"
    jars = [*home.glob("lib/*.jar"), *home.glob("modules/x-pack-core/*.jar")]
    with tempfile.TemporaryDirectory() as classes:
        compile_for = [str(tools / "javac"), "--release", str(_MIN_JAVA), "-proc:none", "-nowarn", "-d", classes]
        _run([*compile_for, "-cp", ":".join(map(str, jars)), *map(str, _PLUGIN.rglob("*.java"))])
        _run([str(tools / "jar"), "cf", str(plugin / "es-gap.jar"), "-C", classes, "."])
    descriptor = (_PLUGIN / "plugin-descriptor.properties.in").read_text().replace("@ES_VERSION@", VERSION)
    (plugin / "plugin-descriptor.properties").write_text(descriptor)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)  # noqa: S603  our own
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout[-2_000:]}{done.stderr[-2_000:]}")
