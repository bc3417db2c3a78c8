"""The search server of a test run: started once, on first use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from elasticsearch import Elasticsearch

from connectors.elasticsearch.settings import Elasticsearch as Connection
from detector.cli.deploy import deploy
from tests.integration.servers.elasticsearch.distribution import elasticsearch_home
from tests.integration.servers.elasticsearch.node import ADMIN, PASSWORD, ElasticsearchNode

WRITER, ANALYST = "writer", "analyst"
PRESSURE = {"indexing_pressure.memory.limit": "256kb"}
"""So that a large request is refused as a whole, as a cluster under load does."""


@pytest.fixture(scope="session")
def search() -> Iterator[ElasticsearchNode]:
    """A node with the least user that isthmus can write as."""
    node = ElasticsearchNode(
        elasticsearch_home(), users={WRITER: "isthmus_writer", ANALYST: "isthmus_analyst"}, settings=PRESSURE
    )
    try:
        node.start()
        yield node
    finally:
        node.remove()


@pytest.fixture(scope="session")
def admin(search: ElasticsearchNode) -> Iterator[Elasticsearch]:
    """The plain client as a user who may do everything."""
    client = Elasticsearch(
        search.url, basic_auth=(ADMIN, PASSWORD), ca_certs=str(search.certificate), request_timeout=60
    )
    yield client
    client.close()


@pytest.fixture(scope="session")
def deployer(search: ElasticsearchNode, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options of `isthmus deploy elastic` for this cluster; everything is set up."""
    folder = tmp_path_factory.mktemp("deploy")
    (folder / "password").write_text(PASSWORD)
    connection = {"urls": [search.url], "ca_file": str(search.certificate), "api_key_env": "ISTHMUS_TEST_NO_KEY"}
    settings = {"sinks": [{"type": "elasticsearch", "connection": connection}]}
    (folder / "isthmus.yml").write_text(json.dumps(settings))
    options = ["-c", str(folder / "isthmus.yml"), "--username", ADMIN, "--password-file", str(folder / "password")]
    applied = CliRunner().invoke(deploy, ["elastic", "apply", *options])
    assert applied.exit_code == 0, applied.output
    assert "absent   index_template isthmus-alerts" in applied.output
    return options


@pytest.fixture
def connection(
    search: ElasticsearchNode,
    admin: Elasticsearch,
    deployer: list[str],  # noqa: ARG001  templates and the role are there
    tmp_path: Path,
) -> Iterator[Connection]:
    """How the writer connects, as settings; what it wrote is gone afterwards."""
    (tmp_path / "password").write_text(PASSWORD)
    yield Connection(
        urls=[search.url],
        ca_file=search.certificate,
        username=WRITER,
        password_file=tmp_path / "password",
        timeout_s=5.0,
    )
    for index in admin.indices.get(index="isthmus-*", expand_wildcards="all"):
        admin.indices.delete(index=index)
    admin.indices.delete_data_stream(name="logs-isthmus.*")
