"""Listeners on real sockets."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest

from connectors.http_push import HttpPushListener
from connectors.round_trip import parse_round_trip
from connectors.settings import HttpPush, Sender, SyslogTcp, SyslogUdp, Tls
from connectors.syslog_tcp import SyslogTcpListener
from connectors.syslog_udp import SyslogUdpListener
from tests.connectors.collecting import Collected


async def _tcp(content: bytes, count: int, settings: SyslogTcp | None = None) -> Collected:
    taken = Collected()
    listener = SyslogTcpListener(settings or SyslogTcp(port=0), taken)
    await listener.start()
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    for start in range(0, len(content), 7_001):
        writer.write(content[start : start + 7_001])
        await writer.drain()
    writer.close()
    await taken.until(count)
    await listener.stop()
    return taken


async def test_newline_and_octet_counted_frames_may_alternate() -> None:
    taken = await _tcp(b"<34>first\n10 <34>second\n<34>third\n", 3)
    assert [document.value for document in taken.documents] == [b"<34>first", b"<34>second", b"<34>third"]
    assert taken.documents[0].source == "syslog/127.0.0.1"


PEM = Path(__file__).parents[1] / "data" / "connectors" / "localhost.pem"
TLS = Tls(certificate=PEM, key=PEM.with_suffix(".key"))


async def test_syslog_over_tls_needs_tls() -> None:
    taken = Collected()
    listener = SyslogTcpListener(SyslogTcp(port=0, tls=TLS), taken)
    await listener.start()
    trust = ssl.create_default_context(cafile=PEM)
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=trust, server_hostname="localhost")
    writer.write(b"<34>secret\n")
    await writer.drain()
    await taken.until(1)
    writer.close()
    _, plain = await asyncio.open_connection("127.0.0.1", listener.port)
    plain.write(b"<34>open\n")
    await asyncio.sleep(0.1)
    plain.close()
    await listener.stop()
    assert [document.value for document in taken.documents] == [b"<34>secret"]


async def test_http_over_tls() -> None:
    taken = Collected()
    listener = HttpPushListener(HttpPush(port=0, tls=TLS), taken)
    await listener.start()
    trust = ssl.create_default_context(cafile=PEM)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
        url = f"https://localhost:{listener.port}/v1/records"
        async with session.post(url.replace("localhost", "127.0.0.1"), data=b'{"a":1}') as reply:
            assert reply.status == 202
    await listener.stop()


async def test_connections_are_bounded() -> None:
    taken = Collected()
    listener = SyslogTcpListener(SyslogTcp(port=0, max_connections=2), taken)
    await listener.start()
    writers = [(await asyncio.open_connection("127.0.0.1", listener.port)) for _ in range(3)]
    refused = await asyncio.wait_for(writers[2][0].read(), 5)
    assert refused == b""
    writers[0][1].write(b"<34>still heard\n")
    assert await taken.until(1) == [b"<34>still heard"]
    for _, writer in writers:
        writer.close()
    await listener.stop()


async def test_a_large_message_comes_whole() -> None:
    large = b"<34>" + b"x" * 200_000
    taken = await _tcp(large + b"\n" + str(len(large)).encode() + b" " + large, 2)
    assert [len(document.value) for document in taken.documents] == [len(large), len(large)]


async def test_a_message_above_the_limit_is_rejected_and_the_next_is_taken() -> None:
    taken = await _tcp(b"<34>" + b"x" * 10_000_000 + b"\n<34>next\n", 2)
    assert [document.value for document in taken.documents] == [b"<34>next"]
    assert len(taken.rejected) == 1


async def test_udp_names_known_senders() -> None:
    taken = Collected()
    listener = SyslogUdpListener(SyslogUdp(port=0, senders={"127.0.0.1": Sender("site/fw", "cisco.asa")}), taken)
    await listener.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"<34>hello\n\x00", ("127.0.0.1", listener.port))
    await taken.until(1)
    await listener.stop()
    assert [(each.source, each.dataset, each.value) for each in taken.documents] == [
        ("site/fw", "cisco.asa", b"<34>hello")
    ]


async def _post(taken: Collected, body: bytes, *, settings: HttpPush | None = None, **headers: str) -> int:
    listener = HttpPushListener(settings or HttpPush(port=0), taken)
    await listener.start()
    try:
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{listener.port}/v1/records"
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            async with session.post(url, data=body, headers=names) as reply:
                return reply.status
    finally:
        await listener.stop()


@pytest.mark.parametrize(
    ("body", "count"),
    [(b'{"a":1}', 1), (b'[{"a":1},{"b":2}]', 2), (b'{"a":1}\n{"b":2}\n', 2), (b"<tt:x/>", 1)],
    ids=["object", "array", "ndjson", "raw"],
)
async def test_http_takes_every_shape(body: bytes, count: int) -> None:
    taken = Collected()
    assert await _post(taken, body, X_Isthmus_Source="s", Idempotency_Key="k") == 202
    assert [document.key for document in taken.documents] == [f"k/{n}" for n in range(count)]


async def test_http_keeps_what_a_poller_saw_of_the_devices_clock() -> None:
    taken = Collected()
    header = "1792483200.25 1792483200.31 Tue, 20 Oct 2026 07:58:00 GMT"
    assert await _post(taken, b'[{"a":1},{"b":2}]', X_Isthmus_Round_Trip=header) == 202
    assert [each.round_trip for each in taken.documents] == [parse_round_trip(header)] * 2
    assert await _post(taken, b'{"a":1}', X_Isthmus_Round_Trip="yesterday") == 400


async def test_http_unpacks_gzip_and_refuses_bombs() -> None:
    taken = Collected()
    assert await _post(taken, gzip.compress(b'{"a":1}'), Content_Encoding="gzip") == 202
    bomb = gzip.compress(b" " * 2_000_000)
    assert await _post(taken, bomb, settings=HttpPush(port=0, max_body_bytes=100_000), Content_Encoding="gzip") == 413


async def test_http_asks_for_the_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    settings = HttpPush(port=0, token_file=tmp_path / "token")
    assert await _post(Collected(), b"{}", settings=settings) == 401
    assert await _post(Collected(), b"{}", settings=settings, Authorization="Bearer wrong") == 401
    assert await _post(Collected(), b'{"a":1}', settings=settings, Authorization="Bearer secret") == 202


@pytest.mark.parametrize("body", [b"", b"[1,", b'["a"' + b"[" * 10_000], ids=["empty", "cut", "deep"])
async def test_http_refuses_what_is_no_record(body: bytes) -> None:
    assert await _post(Collected(), body) == 400
