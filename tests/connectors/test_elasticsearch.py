"""How a cluster may be reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.elasticsearch.server import Server
from connectors.elasticsearch.settings import Elasticsearch
from connectors.errors import ConnectorSettingsError
from detector.errors import SettingsError
from detector.settings import build_settings

_SAFE = {"urls": ["https://search.example:9200"]}


@pytest.mark.parametrize(
    ("connection", "fault"),
    [
        ({"urls": [], "api_key_file": "k"}, "urls is empty"),
        ({"urls": ["http://search.example:9200"], "api_key_file": "k"}, "use https"),
        ({"urls": ["http://localhost.evil.example"], "api_key_file": "k"}, "use https"),
        ({"urls": ["https://u:p@search.example"], "api_key_file": "k"}, "must not hold a password"),
        (_SAFE, "set api_key_file"),
        ({**_SAFE, "username": "u"}, "set api_key_file"),
        ({**_SAFE, "password_file": "p"}, "set api_key_file"),
        ({**_SAFE, "api_key_file": "k", "api_key_env": "K"}, "set api_key_file"),
        ({**_SAFE, "api_key_file": "k", "username": "u", "password_file": "p"}, "set api_key_file"),
        ({**_SAFE, "api_key_file": "k", "verify": False}, "unknown field"),
    ],
)
def test_what_is_unsafe_or_cannot_log_in_is_refused(connection: dict[str, object], fault: str) -> None:
    content = {"sinks": [{"type": "elasticsearch", "connection": connection}]}
    with pytest.raises(SettingsError, match=fault) as refused:
        build_settings(content, Path("isthmus.yml"))
    assert "u:p" not in str(refused.value)


def test_files_are_beside_the_settings() -> None:
    connection = {**_SAFE, "ca_file": "ca.pem", "api_key_file": "/etc/key"}
    sinks: list[object] = [
        {"type": "elasticsearch", "connection": connection},
        {"type": "ndjson", "path": "alerts.ndjson"},
        {"type": "ndjson"},
    ]
    search, file, output = build_settings({"sinks": sinks}, Path("/opt/isthmus.yml")).sinks
    assert search.connection == Elasticsearch(  # type: ignore[union-attr]
        urls=["https://search.example:9200"], ca_file=Path("/opt/ca.pem"), api_key_file=Path("/etc/key")
    )
    assert (file.path, output.path) == ("/opt/alerts.ndjson", "-")  # type: ignore[union-attr]


@pytest.mark.parametrize("content", [None, "", "not a certificate"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_text(content)
    (tmp_path / "key").write_text("a2V5")
    with pytest.raises(ConnectorSettingsError, match=r"ca\.pem"):
        Server(Elasticsearch(urls=["https://127.0.0.1:1"], ca_file=ca, api_key_file=tmp_path / "key"))
