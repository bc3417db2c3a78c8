"""`isthmus who` over records that went through the whole pipeline, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from connectors.record import RawRecord
from detector.__main__ import main
from detector.runtime.embedded.replaying import replay
from detector.settings import load_settings
from detector.task import Record

PLACES = """location_id,parent,type,name,site,timezone,exit_reader
north,,site,North works,north,Europe/Berlin,
hall,north,building,Hall,north,,
Gate,north,portal,Gate,north,,true
Lab door,hall,portal,Lab door,north,,true
"""
SETTINGS = """data_dir: data
context: {folder: context}
sources: {pacs: {dataset: gallagher.event, site: north, system: pacs, clock_uncertainty: 500ms}}
"""


def _record(clock: str, name: str, door: str, card: str | None = None, *, inwards: bool = True) -> Record:
    moment = datetime.fromisoformat(f"2026-10-20T{clock}:00+02:00").astimezone(UTC)
    body: dict[str, Any] = {"time": moment.isoformat(), "type": {"name": name}, "source": {"name": door}}
    if card is not None:
        body |= {"card": {"number": card}, "entryAccessZone": {"name": "Works" if inwards else "Outside"}}
    ready_ns = int(moment.timestamp()) * 10**9 + 10**9
    return Record(
        RawRecord(f"{clock}{name}{card}", "pacs", "gallagher.event", ready_ns, json.dumps(body).encode()), ready_ns
    )


def _records() -> Iterator[Record]:
    yield _record("08:00", "Access granted", "Gate", "1")
    yield _record("08:05", "Access granted", "Gate", "2")
    yield _record("08:10", "Access granted", "Lab door", "1")
    yield _record("08:20", "Access granted", "Gate", "9")
    yield _record("09:00", "Access granted", "Gate", "2", inwards=False)
    yield _record("10:00", "Mustering started", "Gate")
    yield _record("10:05", "Cardholder mustered", "Gate", "1")
    yield _record("11:00", "Anti-passback reset", "Gate")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("who")
    (folder / "context").mkdir()
    (folder / "context" / "locations.csv").write_text(PLACES)
    assets = "asset_id,location_id,site\nGate,Gate,north\nLab door,Lab door,north\n"
    (folder / "context" / "assets.csv").write_text(assets)
    (folder / "context" / "people.csv").write_text("person_id,name,type\np-1,Ada Byron,employee\np-2,Bo Lind,vendor\n")
    identities = "person_id,system,kind,value\np-1,pacs,badge,1\np-2,pacs,badge,2\n"
    (folder / "context" / "identities.csv").write_text(identities)
    path = folder / "isthmus.yml"
    path.write_text(SETTINGS)
    replay(load_settings(path), _records())
    return path


def _who(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["who", "-c", str(config), *arguments])


def _states(config: Path, clock: str) -> dict[str, tuple[str, str | None]]:
    done = _who(config, "--all", "--json", "--at", f"2026-10-20T{clock}:00+02:00")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {each["person"]: (each["state"], each["place"]) for each in rows}


def test_it_tells_who_is_where_at_any_time(config: Path) -> None:
    assert _states(config, "07:59") == {}
    assert _states(config, "08:06") == {"p-1": ("inside", "North works"), "p-2": ("inside", "North works")}
    assert _states(config, "09:30") == {
        "p-1": ("inside", "Hall"), "p-2": ("outside", None), "?pacs\\9": ("inside", "North works"),
    }  # fmt: skip
    assert _states(config, "10:01")["p-1"] == ("unaccounted", "Hall")
    assert _states(config, "10:06")["p-1"][0] == "mustered"
    assert _states(config, "11:01") == {
        "p-1": ("unknown", "Gate"), "p-2": ("outside", None), "?pacs\\9": ("unknown", "North works"),
    }  # fmt: skip


def test_the_table_names_people_places_and_doors(config: Path) -> None:
    lines = _who(config, "--at", "2026-10-20T08:15:00+02:00").stdout.splitlines()
    assert lines[0] == "at 2026-10-20T08:15:00+02:00, by what had happened until then"
    assert lines[1].split() == ["person", "name", "state", "site", "place", "since", "last", "sign", "sure"]
    assert any("Ada Byron" in line and "Hall" in line and "2026-10-20 08:10 Lab door" in line for line in lines)


def test_another_folder_of_databases_can_be_asked(config: Path, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(load_settings(config), data_dir=tmp_path / "replayed")
    replay(settings, [_record("12:00", "Access granted", "Lab door", "2")])
    done = _who(config, "--at", "2026-10-20T12:30:00+02:00", "--data", str(tmp_path / "replayed"))
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == ["p-2"]


def test_nobody_is_an_answer_of_its_own(config: Path) -> None:
    done = _who(config, "--at", "2026-10-20T08:15:00+02:00", "zorro")
    assert (done.exit_code, done.stderr) == (1, "nobody like 'zorro' was seen in time\n")


@pytest.mark.parametrize(
    ("at", "what"),
    [
        ("yesterday", "not a time with its zone"),
        ("2026-10-20", "not a time with its zone"),
        ("2026-10-20T08:15:00", "not a time with its zone"),
        ("2026-10-01T08:15:00Z", "kept by `retention.presence`; keep more, or replay"),
    ],
)
def test_a_time_that_cannot_be_asked_is_refused(config: Path, at: str, what: str) -> None:
    done = _who(config, "--at", at)
    assert done.exit_code == 2
    assert what in done.stderr


def test_an_engine_that_never_ran_has_nothing_to_tell(tmp_path: Path) -> None:
    path = tmp_path / "isthmus.yml"
    path.write_text("data_dir: data\n")
    done = _who(path)
    assert done.exit_code == 2
    assert "has not run yet" in done.stderr
