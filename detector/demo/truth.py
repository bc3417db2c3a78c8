"""Compares what the day raised with what it must raise, alert for alert."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from detector.demo.script import Truth


def differences(truth: Iterable[Truth], documents: Iterable[dict[str, Any]]) -> list[str]:
    """Return what is missing, too much, or in the wrong story; empty when all is as scripted."""
    left = list(documents)
    found = list[str]()
    groups = defaultdict[str, set[str]](set)
    for expected in truth:
        match = next((document for document in left if _fits(expected, document)), None)
        if match is None:
            found.append(f"missing: {expected.code} {expected.level} about {expected.about}")
            continue
        left.remove(match)
        groups[expected.group].add(match["convergence"]["alert"]["group_id"])
    found += [f"not in the script: {each['event']['code']} {each['message']}" for each in left]
    found += [f"story {name!r} has {len(ids)} group ids" for name, ids in groups.items() if len(ids) > 1]
    owners = defaultdict[str, list[str]](list)
    for name, ids in groups.items():
        for group_id in ids:
            owners[group_id].append(name)
    found += [f"stories {', '.join(names)} share a group id" for names in owners.values() if len(names) > 1]
    return found


def _fits(expected: Truth, document: dict[str, Any]) -> bool:
    return (
        document["event"]["code"] == expected.code
        and document["convergence"]["alert"]["level"] == expected.level
        and document["convergence"]["alert"]["status"] != "withdrawn"
        and expected.about in document["message"]
    )
