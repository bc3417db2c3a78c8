"""Whatever happens to the cluster: nothing is lost, each alert is there once at its last revision."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from elasticsearch import Elasticsearch
from structlog.testing import capture_logs

from connectors.elasticsearch.settings import Elasticsearch as Connection
from detector.alerting.sinks import outage
from tests.deploy.mappings import ELASTIC
from tests.integration.elasticsearch.conftest import ANALYST
from tests.integration.elasticsearch.delivering import Engine, holdings, made
from tests.integration.servers.elasticsearch.node import PASSWORD, ElasticsearchNode

ROLE: dict[str, Any] = msgspec.json.decode((ELASTIC / "role" / "isthmus_writer.json").read_bytes())
OUTAGE = ["sink_became_unavailable", "sink_recovered"]
MONTHS = "isthmus-alerts-2026.10,isthmus-alerts-2026.11"
Servers = tuple[ElasticsearchNode, Elasticsearch]
Act = Callable[[ElasticsearchNode, Elasticsearch], object]


def _put(settings: dict[str, Any]) -> Act:
    return lambda _node, admin: admin.indices.put_settings(index=MONTHS, settings=settings)


FAULTS: dict[str, tuple[Act, Act]] = {
    "paused": (lambda node, _: node.pause(), lambda node, _: node.resume()),
    "write block (403)": (_put({"index.blocks.write": True}), _put({"index.blocks.write": None})),
    "disk full (429)": (
        _put({"index.blocks.read_only_allow_delete": True}),
        _put({"index.blocks.read_only_allow_delete": None}),
    ),
    "index closed (400)": (
        lambda _, admin: admin.indices.close(index=MONTHS),
        lambda _, admin: admin.indices.open(index=MONTHS, wait_for_active_shards="1"),
    ),
    "pipeline gone (400)": (_put({"index.final_pipeline": "gone"}), _put({"index.final_pipeline": None})),
    "no privilege (403)": (
        lambda _, admin: admin.security.put_role(name="isthmus_writer", indices=[]),
        lambda _, admin: admin.security.put_role(name="isthmus_writer", **ROLE),
    ),
    "killed": (lambda node, _: node.stop(signal.SIGKILL), lambda node, _: node.start()),
}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "LONGEST_WAIT_S", 0.5)


@pytest.fixture
def servers(search: ElasticsearchNode, admin: Elasticsearch) -> Servers:
    return search, admin


@pytest.fixture
def quick(connection: Connection) -> Connection:
    return msgspec.structs.replace(connection, timeout_s=2.0)


async def _through(fault: str, engine: Engine, servers: Servers, *, outage_s: float) -> None:
    begin, end = FAULTS[fault]
    await asyncio.to_thread(begin, *servers)
    await engine.rise(50, times=3)
    await engine.until(up=False)
    await asyncio.sleep(outage_s)
    await engine.rise(60, times=2)
    await asyncio.to_thread(end, *servers)
    await engine.delivered()
    assert engine.is_up


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_outage_costs_nothing(
    fault: str, quick: Connection, servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Revisions are committed as quickly as ever meanwhile, and the outage is said once."""
    with capture_logs() as logs:
        async with Engine(tmp_path / "data", quick) as engine:
            await engine.rise(40, times=3)
            await engine.delivered()
            await _through(fault, engine, servers, outage_s=1.0)
            engine.arrived(servers[1])
            assert engine.figures.longest_commit_ms < 1_000
    # A server that comes back may still be slow, and be said to be down once more.
    said = [each["event"] for each in logs]
    assert said in (OUTAGE, OUTAGE * 2)
    with capsys.disabled():
        print(f"\n{fault}: {engine.figures}; said: {logs[0]['error'][:110]}")  # noqa: T201  figures


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("ISTHMUS_LONG") != "1", reason="long: ISTHMUS_LONG=1")
async def test_many_outages_cost_nothing(
    quick: Connection, servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = random.Random(7)  # noqa: S311  a test's order
    async with Engine(tmp_path / "data", quick) as engine:
        await engine.rise(40)
        await engine.delivered()
        for _ in range(30):
            await _through(draw.choice(list(FAULTS)), engine, servers, outage_s=draw.uniform(0.0, 8.0))
            engine.arrived(servers[1])
    with capsys.disabled():
        print(f"\n30 outages: {engine.figures}")  # noqa: T201  figures


async def test_a_request_above_the_indexing_pressure_is_halved(
    quick: Connection, admin: Elasticsearch, tmp_path: Path
) -> None:
    """The node of the tests takes 256 kB at once: the whole request is answered 429 until it is small enough."""
    with capture_logs() as logs:
        async with Engine(tmp_path / "data", quick) as engine:
            await engine.rise(90, filler=10_000)
            await engine.delivered()
            engine.arrived(admin)
    assert "429" in logs[0]["error"]
    assert "es_rejected_execution_exception" in logs[0]["error"]


async def test_a_month_that_cannot_begin_waits(quick: Connection, admin: Elasticsearch, tmp_path: Path) -> None:
    """A cluster that has no room for more shards answers 400, though the alert is good."""
    admin.cluster.put_settings(persistent={"cluster.max_shards_per_node": 1})
    try:
        with capture_logs() as logs:
            async with Engine(tmp_path / "data", quick) as engine:
                await engine.rise(4)
                await engine.until(up=False)
                admin.cluster.put_settings(persistent={"cluster.max_shards_per_node": None})
                await engine.delivered()
                engine.arrived(admin)
        assert "HTTP 400 validation_exception" in logs[0]["error"]
    finally:
        admin.cluster.put_settings(persistent={"cluster.max_shards_per_node": None})


async def test_a_document_that_does_not_fit_is_a_dead_letter_and_the_rest_goes_on(
    quick: Connection, admin: Elasticsearch, tmp_path: Path
) -> None:
    async with Engine(tmp_path / "data", quick) as engine:
        bad = made("202610-bad", 1)
        misfit = {**bad.document, "user": "no object"}
        await engine.commit(made("202610-aa", 1), msgspec.structs.replace(bad, document=misfit))
        await engine.commit(made("202611-bb", 1), msgspec.structs.replace(bad, id="no-month"))
        await engine.delivered()
        letters = {each.letter.id: each.letter for each in engine.store.dead_letters()}
        assert set(holdings(admin)) == {"202610-aa", "202611-bb"}
        assert "document_parsing_exception" in letters["202610-bad/1"].error
        assert "begin with a month" in letters["no-month/1"].error
        assert msgspec.json.decode(letters["202610-bad/1"].value) == misfit


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": "wrong"}, "HTTP 401 security_exception: unable to authenticate user [writer]"),
        ({"username": ANALYST}, "HTTP 403 security_exception"),
        ({"ca": True}, "its certificate is not trusted; set ca_file"),
        ({"urls": ["https://127.0.0.1:9"]}, "cannot be reached"),
    ],
)
async def test_a_wrong_setting_waits_for_the_right_one(
    change: dict[str, Any],
    said: str,
    quick: Connection,
    admin: Elasticsearch,
    tmp_path: Path,
) -> None:
    """The alerts stay in the log, and nothing secret is said."""
    wrong = quick
    if "password" in change:
        (tmp_path / "wrong").write_text(change["password"])
        wrong = msgspec.structs.replace(quick, password_file=tmp_path / "wrong")
    elif "ca" in change:
        wrong = msgspec.structs.replace(quick, ca_file=_other_ca(tmp_path))
    else:
        wrong = msgspec.structs.replace(quick, **change)
    with capture_logs() as logs:
        async with Engine(tmp_path / "data", wrong) as engine:
            await engine.rise(5, times=2)
            await engine.until(up=False)
            assert engine.delivery.backlog() == 10
            assert engine.store.count_dead_letters() == 0
            latest = engine.latest
    assert said in logs[0]["error"]
    assert PASSWORD not in str(logs)
    async with Engine(tmp_path / "data", quick) as engine:
        engine.latest = latest
        await engine.delivered()
        engine.arrived(admin)


def _other_ca(folder: Path) -> Path:
    key, certificate = folder / "other.key", folder / "other.crt"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=other"]
    subprocess.run([*request, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)  # noqa: S603  our own
    return certificate
