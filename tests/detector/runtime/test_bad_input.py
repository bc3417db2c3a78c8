"""Rubbish through the real pipeline: a dead letter with its reason, and the engine goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from connectors.record import Document, RawRecord, record_id
from detector.demo.script import PLANT
from detector.runtime.clock import SteppedClock
from detector.runtime.embedded.replaying import replay
from detector.runtime.embedded.store import EngineStore
from detector.settings import load_settings
from detector.task import Record

START_NS = 1_792_450_000 * 10**9


def _record(number: int, source: str, dataset: str, value: bytes) -> Record:
    ready_ns = START_NS + number * 10**9
    document = Document(source=source, dataset=dataset, value=value, input=source, position=number)
    return Record(RawRecord(record_id(document, ready_ns), source, dataset, ready_ns, value), ready_ns, source, number)


def _door(stamp: str, name: str = "Forced door") -> bytes:
    return (
        f'{{"time":"{stamp}","type":{{"id":"1","name":"{name}"}},"source":{{"name":"Chemical store door"}}}}'.encode()
    )


RUBBISH = [
    b"",
    b"\x00" * 50,
    b"\xff\xfe\x80",
    b'{"time": "2026-10',
    b'{"a":' * 50_000,
    b"x" * 1_000_000,
    b'{"time":[],"type":7}',
    b'{"time":"2026-02-30T00:00:00Z","type":{"id":"1"}}',
    _door("never"),
]


def _stream() -> Iterator[Record]:
    for number in range(200):
        yield _record(number, "plant-a/pacs", "gallagher.event", RUBBISH[number % len(RUBBISH)])
    # A device that stamps 1970 and one that stamps 2099, all day long.
    for number in range(200, 400):
        stamp = "1970-01-01T00:00:05Z" if number % 2 else "2099-01-01T00:00:00Z"
        yield _record(number, "plant-a/video" if number % 2 else "plant-b/pacs", "gallagher.event", _door(stamp))
    tampered = (
        f'{{"item":{{"type":"tamper","start":{(START_NS // 10**9 + 400) * 1_000},"device":"d0fcaa000012"}}}}'.encode()
    )
    yield _record(400, "plant-a/video", "unifi.protect", tampered)
    yield _record(460, "plant-a/pacs", "gallagher.event", _door("2026-10-19T22:54:20Z"))


def test_rubbish_and_lost_clocks_stop_nothing(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(load_settings(PLANT / "isthmus.yml"), data_dir=tmp_path)
    done = replay(settings, _stream(), batch=50)
    assert done.records == 402
    assert done.dead_letters >= 200
    assert any(alert.document["event"]["code"] == "CV-802" for alert in done.alerts.values())
    store = EngineStore(tmp_path / "engine.db", durable=False)
    letters = store.dead_letters(limit=1_000)
    store.close()
    assert all(stored.letter.error for stored in letters)
    assert {stored.letter.stage for stored in letters} == {"normalize", "correlate"}


def test_a_restart_goes_on_where_the_engine_was(tmp_path: Path) -> None:
    assert SteppedClock(5).now_ns() == 5
    settings = msgspec.structs.replace(load_settings(PLANT / "isthmus.yml"), data_dir=tmp_path / "whole")
    whole = replay(settings, _stream())
    assert set(replay(msgspec.structs.replace(settings, data_dir=tmp_path / "b"), _stream(), batch=7).alerts) == set(
        whole.alerts
    )
