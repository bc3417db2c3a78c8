"""ATT&CK tags to the technique and tactic fields of ECS, by the table of version 19."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

VERSION = "19"
_TAG = re.compile(r"attack\.(?P<id>t\d{4}(?:\.\d{3})?)", re.IGNORECASE)

TACTICS = {
    "enterprise": {
        "reconnaissance": ("TA0043", "Reconnaissance"),
        "resource-development": ("TA0042", "Resource Development"),
        "initial-access": ("TA0001", "Initial Access"),
        "execution": ("TA0002", "Execution"),
        "persistence": ("TA0003", "Persistence"),
        "privilege-escalation": ("TA0004", "Privilege Escalation"),
        "defense-evasion": ("TA0005", "Defense Evasion"),
        "stealth": ("TA0005", "Stealth"),
        "defense-impairment": ("TA0112", "Defense Impairment"),
        "credential-access": ("TA0006", "Credential Access"),
        "discovery": ("TA0007", "Discovery"),
        "lateral-movement": ("TA0008", "Lateral Movement"),
        "collection": ("TA0009", "Collection"),
        "command-and-control": ("TA0011", "Command and Control"),
        "exfiltration": ("TA0010", "Exfiltration"),
        "impact": ("TA0040", "Impact"),
    },
    "ics": {
        "initial-access": ("TA0108", "Initial Access"),
        "execution": ("TA0104", "Execution"),
        "persistence": ("TA0110", "Persistence"),
        "privilege-escalation": ("TA0111", "Privilege Escalation"),
        "evasion": ("TA0103", "Evasion"),
        "discovery": ("TA0102", "Discovery"),
        "lateral-movement": ("TA0109", "Lateral Movement"),
        "collection": ("TA0100", "Collection"),
        "command-and-control": ("TA0101", "Command and Control"),
        "inhibit-response-function": ("TA0107", "Inhibit Response Function"),
        "impair-process-control": ("TA0106", "Impair Process Control"),
        "impact": ("TA0105", "Impact"),
    },
}


class Technique(msgspec.Struct, frozen=True):
    """One technique or sub-technique."""

    domain: str
    id: str
    name: str
    tactics: tuple[str, ...]


@cache
def techniques() -> dict[str, Technique]:
    """Return the table of techniques by id."""
    table = dict[str, Technique]()
    path = Path(__file__).parent / "data" / "attack_v19.tsv"
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(("#", "domain\t")):
            continue
        domain, technique_id, name, tactics = line.split("\t")
        table.setdefault(technique_id, Technique(domain, technique_id, name, tuple(filter(None, tactics.split(",")))))
    return table


def technique_ids(tags: Iterable[str]) -> list[str]:
    """Return the technique ids that tags name, upper case, whether or not the table knows them."""
    return [found["id"].upper() for tag in tags if (found := _TAG.fullmatch(tag)) is not None]


def threat_fields(tags: Iterable[str]) -> dict[str, Any] | None:
    """Return ECS ``threat.*`` for the techniques that the table knows; None when there are none."""
    table = techniques()
    found = [table[each] for each in technique_ids(tags) if each in table]
    if not found:
        return None
    roots = [each for each in found if "." not in each.id]
    children = [each for each in found if "." in each.id]
    for child in children:
        parent = table.get(child.id.partition(".")[0])
        if parent is not None and parent not in roots:
            roots.append(parent)
    tactics = dict.fromkeys(
        TACTICS[each.domain][name] for each in found for name in each.tactics if name in TACTICS[each.domain]
    )
    technique: dict[str, Any] = {"id": [each.id for each in roots], "name": [each.name for each in roots]}
    if children:
        technique["subtechnique"] = {"id": [each.id for each in children], "name": [each.name for each in children]}
    return {
        "framework": "MITRE ATT&CK",
        "tactic": {"id": [each[0] for each in tactics], "name": [each[1] for each in tactics]},
        "technique": technique,
    }
