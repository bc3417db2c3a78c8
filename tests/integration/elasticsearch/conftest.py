"""The search server of a test run: started once, on first use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from connectors.elasticsearch.settings import Elasticsearch as Connection
from tests.integration.servers.elasticsearch.distribution import elasticsearch_home
from tests.integration.servers.elasticsearch.node import ADMIN, PASSWORD, ElasticsearchNode

ROLE = Path(__file__).parents[3] / "deploy" / "elastic" / "role" / "isthmus_writer.json"
WRITER = "writer"


@pytest.fixture(scope="session")
def search() -> Iterator[ElasticsearchNode]:
    """A node with the least user that isthmus can write as."""
    node = ElasticsearchNode(elasticsearch_home(), users={WRITER: "isthmus_writer"})
    try:
        node.start()
        yield node
    finally:
        node.remove()


@pytest.fixture(scope="session")
def admin(search: ElasticsearchNode) -> Iterator[Elasticsearch]:
    """Everything may be done with it, and nothing of ours is behind it."""
    client = Elasticsearch(
        search.url, basic_auth=(ADMIN, PASSWORD), ca_certs=str(search.certificate), request_timeout=60
    )
    client.security.put_role(name="isthmus_writer", body=json.loads(ROLE.read_text()))
    yield client
    client.close()


@pytest.fixture
def connection(search: ElasticsearchNode, admin: Elasticsearch, tmp_path: Path) -> Iterator[Connection]:
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
