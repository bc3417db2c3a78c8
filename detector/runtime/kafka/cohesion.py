"""Which candidates must meet in one partition."""

from __future__ import annotations

from detector.candidate import Candidate
from detector.correlation.plan import named_rules
from detector.rules.model import RuleSet
from detector.runtime.partitioner import partition_of
from detector.runtime.reach import Reach


class Cohesion:
    """Spreads candidates over partitions by correlation and group.

    Correlations that are chained stay together as a whole, because the key changes from one to the next; so does one
    whose matches may wait for a context row, because the row may change the key.

    Attributes:
        whole: Correlation id to the name of the chain that it stays together with, for those that do.
    """

    def __init__(self, ruleset: RuleSet, reach: Reach, partitions: int) -> None:
        self._partitions = partitions
        self.whole = _whole(ruleset, reach)

    def partition(self, candidate: Candidate) -> int:
        """Return the partition in which a candidate is correlated."""
        whole = self.whole.get(candidate.correlation_id)
        if whole is not None:
            return partition_of(whole, self._partitions)
        if candidate.unsettled is not None and candidate.correlation_id == candidate.rule_name:
            return partition_of(candidate.event_id, self._partitions)
        key = "\x00".join((candidate.correlation_id, *(part or "\x01" for part in candidate.group)))
        return partition_of(key, self._partitions)


def _whole(ruleset: RuleSet, reach: Reach) -> dict[str, str]:
    """Return correlation id to the name of the chain that it belongs to, for those that stay together."""
    chain = {key: key for key in ruleset.correlations}

    def head(key: str) -> str:
        while chain[key] != key:
            key = chain[key]
        return key

    for key, correlation in ruleset.correlations.items():
        for inner in named_rules(correlation):
            if inner in chain:
                first, second = sorted((head(key), head(inner)))
                chain[second] = first
    heads = {key: head(key) for key in chain}
    chained = {key for key, first in heads.items() if key != first} | {heads[k] for k in heads if heads[k] != k}
    settling = {
        key for key, rule in ruleset.correlations.items() if any(reach.settles(each) for each in named_rules(rule))
    }
    suppressed = {key: key for key, rule in ruleset.rules.items() if rule.suppress is not None and reach.settles(key)}
    return {key: heads[key] for key in sorted(chained | settling)} | suppressed
