"""deploy/compose.yaml: what Docker Compose's own loader does not check."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from detector.runtime.topics.declaring import declared_topics
from tests.deploy.commands import DEPLOY, ROOT, parsed, settings_of

FILE = DEPLOY / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("isthmus:")}


def test_every_command_is_one_of_the_programs() -> None:
    """With options that it has."""
    assert set(OURS) == {"topics", "templates", "connect", "worker-1", "worker-2"}
    meant = {name: parsed(service["command"]) for name, service in OURS.items()}
    assert {each["config"] for each in meant.values()} == {Path("/etc/isthmus/isthmus.yml")}
    instances = [each["instance"] for each in meant.values() if "instance" in each]
    assert sorted(instances) == ["compose", "worker-1", "worker-2"]


def test_settings_are_taken_and_point_at_what_is_there() -> None:
    """Brokers, search server and files are those of the file's services and mounts."""
    settings = settings_of(DEPLOY / "compose" / "isthmus.yml")
    assert settings.kafka is not None
    hosts = {host for host, _ in settings.kafka.connection.addresses()}
    assert hosts <= SERVICES.keys()
    assert declared_topics(settings, settings.kafka)
    text = (DEPLOY / "compose" / "isthmus.yml").read_text()
    for path in re.findall(r"(/run/secrets/\w+|/certificates/\S+|/var/lib/isthmus)", text):
        where = [path.startswith("/run/secrets/") and path.rpartition("/")[2] in COMPOSE["secrets"]]
        mounts = [str(mount).split(":")[1] for mount in SERVICES["connect"]["volumes"]]
        assert any([*where, *(path.startswith(mount) for mount in mounts)]), path


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_and_reachable_from_this_machine_only(name: str) -> None:
    """No `latest`; published ports are loopback's; what it waits for and mounts exists; no secret is in the file."""
    service = SERVICES[name]
    assert re.search(r":\d+\.\d+\.\d+$", service["image"])
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))
    assert set(service.get("depends_on", {})) <= SERVICES.keys()
    for mount in service.get("volumes", []):
        origin = str(mount).split(":")[0]
        assert (DEPLOY / origin).exists() if origin.startswith(".") else origin in COMPOSE["volumes"]
    secrets = {key: value for key, value in service.get("environment", {}).items() if "PASSWORD" in key}
    assert all(str(value).startswith("${") for value in secrets.values())


@pytest.mark.parametrize("name", OURS)
def test_our_containers_can_do_little(name: str) -> None:
    """They write to their volume only, and have no capabilities."""
    service = OURS[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_image_holds_what_the_program_needs() -> None:
    """What is copied exists, passes the ignore file, and covers every package; it does not run as root."""
    text = (DEPLOY / "Containerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE) for word in line.split()[:-1]]
    assert {"connectors", "normalizers", "detector", "rules", "requirements.txt", "pyproject.toml"} <= set(copied)
    ignored = (ROOT / ".containerignore").read_text()
    assert ignored == (ROOT / ".dockerignore").read_text()
    for path in copied:
        assert (ROOT / path).exists()
        assert f"!{path}\n" in ignored
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    assert "--require-hashes" in text
