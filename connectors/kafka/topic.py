"""What is known of a topic: as it is declared, and as the cluster has it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Topic(msgspec.Struct, frozen=True):
    """A topic.

    Attributes:
        name: Its name.
        partitions: How many.
        replication: Copies of each partition; of a found one, those of the partition that has fewest.
        config: Settings by Kafka's names, such as ``retention.ms``. Of a found one: every one, defaults included.
        own: Of a found one: the names in `config` that were set for this topic.
    """

    name: str
    partitions: int
    replication: int
    config: Mapping[str, str]
    own: frozenset[str] = frozenset()
