"""Who and what an alert is about: persons, hosts, doors, controllers, cameras, addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from detector.candidate import Step
from normalizers.event import Value

MAX_EACH = 50

_KINDS: dict[str, tuple[str, ...]] = {
    "persons": ("convergence.person.id", "convergence.person_target.id", "convergence.person.candidates"),
    "accounts": ("convergence.account.id",),
    "hosts": ("host.name",),
    "doors": ("physical.portal.name", "physical.portal.id"),
    "cameras": ("convergence.camera.id", "physical.camera.id"),
    "controllers": ("ot.controller.name", "ot.controller.id"),
    "sessions": ("convergence.session.id",),
    "sites": ("convergence.location.site", "convergence.location_source.site"),
    "zones": ("convergence.zone.source", "convergence.zone.destination", "convergence.zone.host"),
    "assets": ("convergence.asset.id", "convergence.asset_source.id", "convergence.asset_destination.id"),
    "domains": ("convergence.domain",),
}
"""Kind to the fields that name it; of several the first that an event has."""

_ALL = frozenset({"persons", "sites", "zones", "assets"})
"""Kinds of which every field counts, not only the first."""


def parties_of(steps: Iterable[Step], fields: Mapping[str, Value]) -> dict[str, list[str]]:
    """Return the ids of everyone and everything involved, by kind, in order of appearance."""
    found = {kind: dict[str, None]() for kind in _KINDS}
    for source in (*(step.fields for step in steps), fields):
        for kind, paths in _KINDS.items():
            for path in paths:
                texts = texts_at(source, path)
                for text in texts:
                    found[kind][text] = None
                if texts and kind not in _ALL:
                    break
    return {kind: list(each)[:MAX_EACH] for kind, each in found.items() if each}


def related_of(steps: Iterable[Step], fields: Mapping[str, Value]) -> dict[str, list[str]]:
    """Return ECS ``related.*``."""
    paths = {
        "user": ("user.name", "user.target.name"),
        "ip": ("source.ip", "destination.ip", "host.ip"),
        "hosts": ("host.name", "convergence.session.target", "ot.controller.name", "ot.controller.id"),
    }
    found = {kind: dict[str, None]() for kind in paths}
    for source in (*(step.fields for step in steps), fields):
        for kind, names in paths.items():
            for path in names:
                found[kind].update(dict.fromkeys(texts_at(source, path)))
    return {kind: list(each)[:MAX_EACH] for kind, each in found.items() if each}


def texts_at(fields: Mapping[str, Value], path: str) -> list[str]:
    """Return a field's values as texts."""
    value = fields.get(path)
    if value is None:
        return []
    return [str(each) for each in (value if isinstance(value, list) else [value]) if each not in (None, "")]


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Turn dotted names into objects; a name that is both a value and a prefix keeps the value under ``value``."""
    root: dict[str, Any] = {}
    for path, value in flat.items():
        node = root
        *heads, last = path.split(".")
        for head in heads:
            below = node.setdefault(head, {})
            if not isinstance(below, dict):
                below = node[head] = {"value": below}
            node = below
        if isinstance(node.get(last), dict):
            node[last]["value"] = value
        else:
            node[last] = value
    return root
