"""What a cluster's topics lack of what is declared, and what of it may be mended without asking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from connectors.kafka.topic import Topic
from detector.errors import SettingsError

CHANGE_PARTITIONS = "docs/how-to/change-partitions.md"
APPLY = "make it with `isthmus topics apply`"

_ONLY_RAISED = ("retention.ms", "min.insync.replicas", "max.message.bytes")
"""More than declared is somebody's decision, and stays."""

_NEVER_CHANGED = ("cleanup.policy",)
"""Another policy would delete records that somebody meant to keep."""


class Difference(msgspec.Struct, frozen=True):
    """One topic that is not as declared.

    Attributes:
        kind: `create` and `change` are done by apply; `refuse` is for a person to decide.
        topic: As declared.
        what: What differs, for a reader.
        changes: Settings to set.
        found: As the cluster has it; None when absent.
    """

    kind: Literal["create", "change", "refuse"]
    topic: Topic
    what: str
    changes: dict[str, str] = {}
    found: Topic | None = None


def compare(declared: Sequence[Topic], found: Mapping[str, Topic]) -> list[Difference]:
    """Return how topics of a cluster differ from those declared; what is more than declared is no difference."""
    differences = list[Difference]()
    for topic in declared:
        there = found.get(topic.name)
        if there is None:
            differences.append(Difference("create", topic, _shape(topic)))
        else:
            differences += _shape_faults(topic, there)
            differences += _config_faults(topic, there)
    return differences


def require_partitions(declared: Sequence[Topic], found: Mapping[str, Topic]) -> None:
    """Refuse to start on topics that are absent or have other partitions than the settings say.

    Args:
        declared: As they must be.
        found: As the cluster has them; settings need not have been read.

    Raises:
        SettingsError: Names each topic, and what to do.
    """
    absent = [topic.name for topic in declared if topic.name not in found]
    if absent:
        raise SettingsError(
            f"topics are missing: {', '.join(absent)}; make them with `isthmus topics apply`, or"
            " give the rights that `isthmus topics acls` prints: a topic that one may not see looks the same"
        )
    faults = [partition_fault(topic, found[topic.name]) for topic in declared]
    if any(faults):
        raise SettingsError("\n".join(fault for fault in faults if fault))


def partition_fault(topic: Topic, found: Topic) -> str:
    """Say that a topic has another number of partitions; empty when it has not."""
    if found.partitions == topic.partitions:
        return ""
    return (
        f"topic {topic.name} has {found.partitions} partitions, the settings ask for {topic.partitions}. Another number"
        " would send sources and groups to tasks that do not have their state: set the number back, or move to new"
        f" topics ({CHANGE_PARTITIONS})"
    )


def _shape_faults(topic: Topic, found: Topic) -> list[Difference]:
    faults = list[Difference]()
    if fault := partition_fault(topic, found):
        faults.append(Difference("refuse", topic, fault, found=found))
    if found.replication < topic.replication:
        what = (
            f"topic {topic.name} has replication {found.replication}, the settings ask for {topic.replication};"
            " raise it with kafka-reassign-partitions.sh"
        )
        faults.append(Difference("refuse", topic, what, found=found))
    return faults


def _config_faults(topic: Topic, found: Topic) -> list[Difference]:
    differing = {name: value for name, value in topic.config.items() if not _holds(name, value, found.config)}
    fixed = [name for name in _NEVER_CHANGED if name in differing]
    faults = [
        Difference("refuse", topic, f"topic {topic.name} has {_change(name, topic, found)}: by hand", found=found)
        for name in fixed
    ]
    changes = {name: value for name, value in differing.items() if name not in fixed}
    if changes:
        what = ", ".join(_change(name, topic, found) for name in changes)
        faults.append(Difference("change", topic, what, changes, found))
    return faults


def _holds(name: str, wanted: str, config: Mapping[str, str]) -> bool:
    value = config.get(name, "")
    if name in _ONLY_RAISED and value.lstrip("-").isdigit():
        return value == "-1" or int(value) >= int(wanted)
    return value == wanted


def _change(name: str, topic: Topic, found: Topic) -> str:
    return f"{name} {found.config.get(name, '(unset)')} -> {topic.config[name]}"


def _shape(topic: Topic) -> str:
    settings = " ".join(f"{name}={value}" for name, value in topic.config.items())
    count = "1 partition" if topic.partitions == 1 else f"{topic.partitions} partitions"
    return f"{count}, replication {topic.replication}, {settings}"
