"""`isthmus deploy elastic` on a real cluster."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner, Result
from elasticsearch import AuthorizationException, Elasticsearch

from connectors.elasticsearch.settings import Elasticsearch as Connection
from detector.cli.deploy import deploy
from tests.deploy.mappings import types
from tests.integration.elasticsearch.conftest import ANALYST
from tests.integration.servers.elasticsearch.node import PASSWORD, ElasticsearchNode


def _isthmus(command: str, options: list[str]) -> Result:
    return CliRunner().invoke(deploy, ["elastic", command, *options])


@pytest.fixture(autouse=True)
def _set_up(deployer: list[str]) -> None:
    """Set up anew: stand-ins of the test server forget ILM policies when a test restarts it."""
    assert _isthmus("apply", deployer).exit_code == 0


def test_a_second_time_nothing_is_left_to_do(deployer: list[str]) -> None:
    again = _isthmus("apply", deployer)
    assert (again.exit_code, again.stderr) == (0, "0 of 11 changed\n")
    assert "left out: ingest_pipeline" in again.stdout
    assert _isthmus("check", deployer).exit_code == 0


def test_drift_is_shown_and_mended(deployer: list[str], admin: Elasticsearch) -> None:
    """A template, a policy and a role that somebody changed, and one that is gone."""
    held = admin.indices.get_index_template(name="isthmus-workflow")["index_templates"][0]["index_template"]
    held = {key: value for key, value in held.items() if "_date" not in key}
    held["template"]["settings"]["index"]["number_of_shards"] = "3"
    admin.indices.put_index_template(name="isthmus-workflow", **_named(held))
    admin.ilm.put_lifecycle(name="isthmus-events", policy={"phases": {"delete": {"min_age": "3d", "actions": {}}}})
    role: dict[str, Any] = {"indices": [{"names": ["*"], "privileges": ["all"]}]}
    admin.security.put_role(name="isthmus_writer", **role)
    admin.security.delete_role(name="isthmus_analyst")
    checked = _isthmus("check", deployer)
    assert (checked.exit_code, checked.stderr) == (1, "4 of 11 differ\n")
    planned = _isthmus("plan", deployer)
    assert planned.exit_code == 0
    for line in (
        "differs  ilm_policy isthmus-events",
        "phases.delete.min_age: 3d should be 30d",
        "template.settings.index.number_of_shards: 3 should be 1",
        "indices.0.names: * should be isthmus-alerts-*",
        "absent   role isthmus_analyst",
    ):
        assert line in planned.stdout
    assert _isthmus("apply", deployer).stderr == "4 of 11 changed\n"
    assert _isthmus("check", deployer).exit_code == 0


def test_who_may_not_is_told_what_is_missing(deployer: list[str], connection: Connection) -> None:
    options = [*deployer[:2], "--username", "writer", "--password-file", str(connection.password_file)]
    refused = _isthmus("check", options)
    assert refused.exit_code == 3
    assert "is unauthorized for user [writer]" in refused.stderr
    assert PASSWORD not in refused.output


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("isthmus-alerts", "isthmus-alerts-2026.10"),
        ("isthmus-events", "logs-isthmus.zeek.conn-default"),
        ("isthmus-workflow", "isthmus-workflow"),
    ],
)
def test_the_cluster_resolves_every_field(deployer: list[str], admin: Elasticsearch, name: str, index: str) -> None:  # noqa: ARG001  set up
    """All parts of a template together make the mapping that was meant, stand-ins of the test server apart."""
    resolved = admin.indices.simulate_index_template(name=index)["template"]
    stands_in = {"wildcard": "keyword", "match_only_text": "text"}
    assert _flat(resolved["mappings"]["properties"]) == {
        path: stands_in.get(kind, kind) for path, kind in types(name).items()
    }
    assert set(resolved["aliases"]) == ({"isthmus-alerts"} if name == "isthmus-alerts" else set())


def test_roles_give_no_more_than_is_needed(
    search: ElasticsearchNode, connection: Connection, admin: Elasticsearch
) -> None:
    """The writer cannot read or delete; analysts read alerts and write decisions, and cannot touch an alert."""
    admin.index(index="isthmus-alerts-2026.10", id="a", document={"message": "m"}, refresh=True)
    writer, analyst = (
        Elasticsearch(search.url, basic_auth=(user, PASSWORD), ca_certs=str(search.certificate))
        for user in (str(connection.username), ANALYST)
    )
    with pytest.raises(AuthorizationException):
        writer.search(index="isthmus-alerts")
    with pytest.raises(AuthorizationException):
        writer.delete(index="isthmus-alerts-2026.10", id="a")
    with pytest.raises(AuthorizationException):
        writer.indices.delete(index="isthmus-alerts-2026.10")
    with pytest.raises(AuthorizationException):
        writer.index(index="isthmus-workflow", id="a", document={})
    with pytest.raises(AuthorizationException):
        analyst.index(index="isthmus-alerts-2026.10", id="a", document={})
    assert analyst.search(index="isthmus-alerts")["hits"]["total"]["value"] == 1
    decision = {"event": {"id": "a"}, "convergence": {"workflow": {"status": "closed", "disposition": "benign"}}}
    assert analyst.index(index="isthmus-workflow", id="a", document=decision)["result"] == "created"
    writer.close()
    analyst.close()


def _named(body: dict[str, Any]) -> dict[str, Any]:
    return {key.replace("_meta", "meta"): value for key, value in body.items()}


def _flat(properties: dict[str, Any], prefix: str = "") -> dict[str, str]:
    found = dict[str, str]()
    for name, kind in properties.items():
        below = kind.get("properties")
        found |= _flat(below, f"{prefix}{name}.") if below is not None else {prefix + name: kind["type"]}
    return found
