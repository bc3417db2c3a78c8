"""deploy/kubernetes, as kubectl puts it together."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.deploy.commands import DEPLOY, parsed, settings_of

FOLDER = DEPLOY / "kubernetes"


def _objects() -> Iterator[dict[str, Any]]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        for path in yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]:
            yield from yaml.safe_load_all((FOLDER / path).read_text())
        return
    done = subprocess.run([kubectl, "kustomize", str(FOLDER)], capture_output=True, check=True, timeout=60)  # noqa: S603
    yield from yaml.safe_load_all(done.stdout)


OBJECTS = list(_objects())
PODS = {
    each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in OBJECTS if "template" in each.get("spec", {})
}


def test_everything_is_put_together() -> None:
    """Two sets, a job, their services, and who may reach them."""
    found = sorted((each["kind"], each["metadata"]["name"]) for each in OBJECTS if each["kind"] != "ConfigMap")
    assert found == [
        ("Job", "isthmus-topics"),
        ("Namespace", "isthmus"),
        ("NetworkPolicy", "isthmus-default"),
        ("NetworkPolicy", "isthmus-senders"),
        ("PodDisruptionBudget", "isthmus-worker"),
        ("Service", "isthmus-connect"),
        ("Service", "isthmus-worker"),
        ("StatefulSet", "isthmus-connect"),
        ("StatefulSet", "isthmus-worker"),
    ]


def test_an_instance_is_the_pods_name() -> None:
    """Unique and lasting, as static membership and fencing want it."""
    for name, command in (("isthmus-worker", "worker"), ("isthmus-connect", "connect")):
        (container,) = PODS[name]["containers"]
        assert container["args"][0] == command
        assert parsed(container["args"])["instance"] == "$(POD_NAME)"
        (variable,) = container["env"]
        assert (variable["name"], variable["valueFrom"]["fieldRef"]["fieldPath"]) == ("POD_NAME", "metadata.name")


@pytest.mark.parametrize("name", PODS)
def test_a_pod_fits_the_restricted_standard(name: str) -> None:
    """As the namespace enforces it; settings and secrets are where the settings say."""
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    context = container["securityContext"]
    assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert parsed(container["args"])["config"].as_posix() == "/etc/isthmus/isthmus.yml"
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert (mounts["settings"], mounts["secrets"]) == ("/etc/isthmus", "/secrets")
    claims = [each for each in OBJECTS if each["metadata"]["name"] == name][-1]["spec"].get("volumeClaimTemplates", [])
    volumes = {volume["name"] for volume in pod["volumes"]} | {claim["metadata"]["name"] for claim in claims}
    assert set(mounts) == volumes


def test_the_settings_are_taken() -> None:
    """TLS and a log-in towards the brokers; secrets are files of the mounted secret."""
    settings = settings_of(FOLDER / "isthmus.yml")
    assert settings.kafka is not None
    connection = settings.kafka.connection
    assert not connection.plaintext
    assert connection.sasl is not None
    for path in (connection.tls.ca, connection.sasl.password_file):
        assert path is not None
        assert path.as_posix().startswith("/secrets/")
    assert settings.kafka.replication == 3


def test_services_and_budgets_find_their_pods() -> None:
    """A selector that matches nothing would say nothing."""
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in OBJECTS if "template" in each.get("spec", {})]
    selectors = [each["spec"]["selector"] for each in OBJECTS if each["kind"] in {"Service", "PodDisruptionBudget"}]
    selectors += [each["spec"]["podSelector"] for each in OBJECTS if each["kind"] == "NetworkPolicy"]
    for selector in selectors:
        wanted = selector.get("matchLabels", selector).items()
        assert any(wanted <= each.items() for each in labels), selector
