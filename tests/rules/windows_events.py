"""Published Windows events, as their files hold them and as Sigma's rules name their fields."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from connectors.recognition import recognise
from connectors.record import RawRecord
from normalizers.event import EcsEvent
from normalizers.registry import normalizer_for
from normalizers.source import SourceProfile

FAR_NS = 2**62


def regression_events(root: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield SigmaHQ's regression events: as Windows' own JSON, and flat."""
    for path in sorted(root.glob("sigma_regression/regression_data/**/*.json")):
        for event in events_in(path.read_text()):
            yield event, flat_event(event)


def events_in(text: str) -> Iterator[dict[str, Any]]:
    """Yield the events of a text: objects and lists of them, one after another."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
        yield from value if isinstance(value, list) else [value]


def flat_event(event: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of Windows' own JSON under the names that Sigma gives them, with the spaces in these."""
    provider = event.get("Event", {}).get("System", {}).get("Provider", {}).get("#attributes", {})
    return {**_leaves(event.get("Event", {}), {}), "Provider_Name": provider.get("Name")}


def recorded_attacks(root: Path, *names: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield events of OTRF's attack recordings: as NXLog sent them, which is flat, and with Sigma's header names."""
    for path in sorted(root.rglob("*.zip")):
        if path.stem not in names:
            continue
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                for line in filter(None, archive.read(member).splitlines()):
                    event = json.loads(line)
                    yield event, {**event, "Provider_Name": event.get("SourceName"), "Computer": event.get("Hostname")}


def normalized(event: dict[str, Any]) -> EcsEvent | None:
    """Return the event that our normalizer makes, None when no normalizer for Windows is found for it."""
    value = json.dumps(event).encode()
    dataset = recognise(value)
    if dataset is None or not dataset.startswith("windows."):
        return None
    (made,) = normalizer_for(dataset)(RawRecord("id", "source", dataset, FAR_NS, value), SourceProfile(id="source"))
    return made


def _leaves(value: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Lift the fields of a Windows event out of its System, EventData and UserData."""
    for name, each in value.items():
        if isinstance(each, dict):
            if "#text" in each:
                found[name] = each["#text"]
            _leaves(each, found)
        else:
            found.setdefault(name.lstrip("#@"), each)
    return found
