"""Numbers that jump, repeat or begin anew are told; what was merely overtaken or sent twice is not."""

from __future__ import annotations

import pytest

from connectors.record import RawRecord, hashed_id
from detector.runtime.stages import journals
from detector.runtime.stages.journals import Journals
from detector.task import EngineEvent, Record
from normalizers.event import EcsEvent
from normalizers.source import SourceProfile

SECOND = 10**9


def profile_of(source: str) -> SourceProfile:
    return SourceProfile(id=source, journal_jump={"strict": 0, "loose": 2}.get(source))


def note(fold: Journals, source: str, number: int, value: bytes = b"", journal: str = "1") -> list[EngineEvent]:
    entry = Record(RawRecord("r", source, "d", SECOND, value), SECOND)
    fields: dict[str, object] = {"event.sequence": number, "convergence.feed.journal": journal}
    fields["convergence.domain"] = "physical"
    fold.note(EcsEvent(f"{number}{value!r}", 0, SECOND, 0, source, "d", fields), entry)  # type: ignore[arg-type]
    return fold.take()


def gaps(source: str, numbers: list[int]) -> list[tuple[int, str]]:
    """Return the number at which each gap was told, and which it was; each record has its number as content."""
    fold = Journals(profile_of)
    told = [event for number in numbers for event in note(fold, source, number, str(number).encode())]
    return [(event.fields["event.sequence"], event.fields["convergence.feed.gap"]) for event in told]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("source", "numbers", "expected"),
    [
        ("strict", [7, 8, 9], []),
        ("strict", [7, 9], [(9, "jump")]),
        ("strict", [7, 9, 8, 10], [(9, "jump")]),
        ("loose", [7, 10], []),
        ("loose", [7, 11], [(11, "jump")]),
        ("loose", [7, 9, 8, 10], []),
        ("strict", [100, 37], []),
        ("strict", [100, 36], [(36, "restart")]),
        ("strict", [100, 1, 2, 3], [(1, "restart")]),
        ("strict", [100, 100], []),
        ("other", [7, 900, 1], []),
    ],
)
def test_gaps_are_told(source: str, numbers: list[int], expected: list[tuple[int, str]]) -> None:
    assert gaps(source, numbers) == expected


def test_a_number_that_comes_back_with_other_content_is_a_repeat() -> None:
    fold = Journals(profile_of)
    assert note(fold, "strict", 7, b"one") == []
    assert note(fold, "strict", 7, b"one") == []
    (event,) = note(fold, "strict", 7, b"other")
    assert event.fields["convergence.feed.gap"] == "repeat"


def test_what_is_told_names_numbers_and_journal() -> None:
    fold = Journals(profile_of)
    note(fold, "strict", 7)
    (event,) = note(fold, "strict", 12)
    assert (event.kind, event.source, event.time_ns) == ("sequence-gap", "strict", SECOND)
    assert event.id == hashed_id("strict", "12b''", "sequence-gap")
    assert event.fields == {
        "event.sequence": 12,
        "convergence.feed.journal": "1",
        "convergence.feed.gap": "jump",
        "convergence.feed.expected_sequence": 8,
        "convergence.feed.missing": 4,
        "convergence.feed.domain": "physical",
    }


def test_journals_of_one_source_have_numbers_of_their_own() -> None:
    fold = Journals(profile_of)
    assert note(fold, "strict", 7) == note(fold, "strict", 900, journal="2") == []
    assert note(fold, "strict", 8) == note(fold, "strict", 901, journal="2") == []


def test_a_restart_changes_nothing_and_state_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "MAX_JOURNALS", 3)
    fold, again = Journals(profile_of), Journals(profile_of)
    for number in range(1_000):
        assert note(fold, "strict", number, str(number).encode()) == []
    for name in "abc":
        note(fold, "strict", 1, journal=name)
    stored = dict(fold.dirty())
    assert stored.pop(b"jstrict\x1f1") is None
    note(fold, "strict", 500, journal="c")
    for key, state in stored.items():
        assert state is not None
        assert len(state) < 1_000
        again.restore(key, state)
    again.restored()
    assert [len(note(again, "strict", number, journal="a")) for number in (2, 3, 9)] == [0, 0, 1]
