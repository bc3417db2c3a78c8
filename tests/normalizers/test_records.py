"""Every normalizer on records in its vendor's layout, and on rubbish."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.recognition import recognise
from connectors.record import RawRecord
from normalizers.errors import BadTimestampError, MalformedRecordError, NormalizerError, UnknownDatasetError
from normalizers.event import EcsEvent
from normalizers.registry import NORMALIZERS, normalizer_for
from normalizers.source import SourceProfile
from normalizers.timestamps import parse_iso8601

RECORDS = Path(__file__).parents[1] / "data" / "normalizers" / "records.yml"
RECEIVED_NS = int(datetime(2026, 10, 20, tzinfo=UTC).timestamp()) * 10**9


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """One record and what must come of it."""

    dataset: str
    record: str
    fields: dict[str, Any] = {}
    time: str | None = None
    events: int = 1
    absent: list[str] = []


CASES = msgspec.yaml.decode(RECORDS.read_bytes(), type=list[Case])


def normalized(dataset: str, value: bytes) -> list[EcsEvent]:
    record = RawRecord("id", "test/source", dataset, RECEIVED_NS, value)
    return normalizer_for(dataset)(record, SourceProfile(id="test/source"))


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case.dataset}" for i, case in enumerate(CASES)])
def test_record_becomes_its_event(case: Case) -> None:
    events = normalized(case.dataset, case.record.encode())
    assert len(events) == case.events
    for event in events:
        assert {path: event.fields.get(path) for path in case.fields} == case.fields
        assert not [path for path in case.absent if path in event.fields]
        assert event.fields["event.dataset"] == case.dataset
        if case.time is not None:
            assert event.time_ns == parse_iso8601(case.time)


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case.dataset}" for i, case in enumerate(CASES)])
def test_record_is_recognised(case: Case) -> None:
    assert recognise(case.record.encode()) == case.dataset


def test_every_dataset_has_a_record() -> None:
    assert set(NORMALIZERS) - {"engine.event"} == {case.dataset for case in CASES}


@pytest.mark.parametrize("dataset", sorted(NORMALIZERS))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_rubbish_is_refused_and_never_raises_anything_else(dataset: str, data: st.DataObject) -> None:
    samples = [case.record.encode() for case in CASES if case.dataset == dataset] or [b"{}"]
    sample = data.draw(st.sampled_from(samples))
    cut = data.draw(st.integers(0, len(sample)))
    noise = data.draw(st.binary(max_size=12))
    value = data.draw(st.sampled_from([sample[:cut] + noise + sample[cut:], sample[:cut], noise]))
    try:
        events = normalized(dataset, value)
    except NormalizerError:
        return
    assert all(isinstance(event.time_ns, int) for event in events)


@pytest.mark.parametrize("dataset", sorted(set(NORMALIZERS) - {"linux.auth", "guacamole.session", "cisco.asa"}))
@pytest.mark.parametrize(
    "value", [b"", b"\x00" * 100, b"\xff\xfe{", b'{"a":' * 5_000, b"[1,2]", b"null", b'{"time": 5}'], ids=range(7)
)
def test_hopeless_values_are_refused(dataset: str, value: bytes) -> None:
    with pytest.raises(NormalizerError):
        normalized(dataset, value)


def test_an_unreadable_time_is_refused_and_never_now() -> None:
    with pytest.raises(BadTimestampError):
        normalized("gallagher.event", b'{"time":"yesterday","type":{"id":"1","name":"Forced door"}}')


@pytest.mark.parametrize("dataset", ["onvif.event", "cyberark.psm"])
def test_entity_bombs_are_refused(dataset: str) -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><l>&b;</l>'
    with pytest.raises(MalformedRecordError):
        normalized(dataset, bomb)


def test_an_unknown_dataset_says_how_to_find_out() -> None:
    with pytest.raises(UnknownDatasetError, match="isthmus inspect"):
        normalizer_for("nonsense")
