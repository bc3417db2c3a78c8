"""Rules as the engine uses them: parsed, checked and free of YAML.

Detection conditions are a tree of And/Or/Not over tests of one field or keyword. It is the only form
that evaluators read; pySigma's classes end at the loader.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from detector.errors import RuleFault
from detector.rules.condition import Condition, Operator
from detector.rules.expression import RuleExpression

Level = Literal["informational", "low", "medium", "high", "critical"]
CorrelationType = Literal[
    "event_count",
    "value_count",
    "value_sum",
    "value_avg",
    "value_median",
    "value_percentile",
    "temporal",
    "temporal_ordered",
    "absence",
    "during",
    "first_seen",
    "travel",
]


class LogSource(msgspec.Struct, frozen=True):
    """Where a rule looks; None is any."""

    category: str | None = None
    product: str | None = None
    service: str | None = None


class AppliedFilter(msgspec.Struct, frozen=True, kw_only=True):
    """A Sigma Filter that narrows a rule.

    Attributes:
        id: Its id, else its name, else a hash of its meaning.
        title: One line.
        path: File it came from.
        line: 1-based line of its document.
        owner: Who answers for it; empty when not stated.
        ticket: Under which it was agreed; empty when not stated.
        expires_ns: It filters no event of this time or later; None: it has no end.
    """

    id: str
    title: str
    path: str = "<text>"
    line: int = 0
    owner: str = ""
    ticket: str = ""
    expires_ns: int | None = None


class RuleMeta(msgspec.Struct, frozen=True, kw_only=True):
    """What people read of a rule.

    Attributes:
        id: The rule's UUID, or for a rule without one its name, or a hash of its text. Unique in a RuleSet.
        name: Reference name, or the id where there is none.
        title: One line.
        level: Sigma level.
        status: Sigma status.
        description: What behaviour, and what is missed.
        author: As written.
        references: Addresses.
        tags: As written, such as ``attack.t1078`` and ``gap.4``.
        falsepositives: As written.
        custom: Our additive keys: `owner`, `playbook`, `sentence`, `actions`, `code`, `version`, `suppress`, `canary`.
        path: File it came from.
        line: 1-based line of its document.
        generate: False when it exists only for correlations (Sigma's `generate`).
        semantic_hash: Changes with the meaning (`detector.rules.meaning`), not with words, order, names or pipelines
            that make the same of it.
        filters: What narrows it, expired ones too.
    """

    id: str
    name: str
    title: str
    level: Level = "medium"
    status: str = "experimental"
    description: str = ""
    author: str = ""
    references: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ()
    custom: dict[str, Any] = {}
    path: str = "<text>"
    line: int = 0
    generate: bool = True
    semantic_hash: str = ""
    filters: tuple[AppliedFilter, ...] = ()

    @property
    def is_test(self) -> bool:
        """Whether its matches are canaries, and its alerts tests."""
        return "canary" in self.custom


class Suppress(msgspec.Struct, frozen=True):
    """`suppress` of a single-event rule: an `event_count` `gte: 1` with this timespan."""

    timespan_ns: int
    group_by: tuple[str, ...] = ()


class DetectionRule(msgspec.Struct, frozen=True, kw_only=True):
    """A single-event rule.

    Attributes:
        meta: What people read.
        logsource: Where it looks.
        written: Its log source before the pipelines: filters are told by it.
        condition: Root of the condition tree (`detector.rules.condition`).
        field_paths: Fields that the condition reads, after the pipelines.
        suppress: Set when repeats are folded.
        names: Names of selections and filters with their places in the condition (`detector.rules.naming`), for people.
    """

    meta: RuleMeta
    logsource: LogSource
    condition: Condition
    field_paths: frozenset[str]
    written: LogSource = LogSource()
    suppress: Suppress | None = None
    names: tuple[tuple[int, str], ...] = ()


class Threshold(msgspec.Struct, frozen=True):
    """One comparison of a correlation's condition; several are a range and all must hold."""

    operator: Operator
    value: float


class Absence(msgspec.Struct, frozen=True, kw_only=True):
    """`type: absence`: a trigger with no partner.

    Attributes:
        trigger: Rule id.
        missing: Rule ids of the partners.
        when: Where to look for the partner.
        until: Date field of the trigger that ends the span, to which the timespan is added; else None.
        cap_ns: `max`: longest span when `until` is used; 0 without.
        coverage: What to do when nobody was watching.
    """

    trigger: str
    missing: tuple[str, ...]
    when: Literal["after", "before", "around"] = "after"
    until: str | None = None
    cap_ns: int = 0
    coverage: Literal["require", "report", "ignore"] = "require"


class During(msgspec.Struct, frozen=True, kw_only=True):
    """`type: during`: a trigger while an interval is open.

    Attributes:
        trigger: Rule id.
        open: Rule ids that open an interval.
        close: Rule ids that close one; may be empty (then only max_age closes).
        key: Field that pairs open with close inside a group; None: one interval per group.
        count: How many must be open; default at least one.
        distinct: Trigger and opener must differ in this field; else None.
        for_ns: Open that long already.
        max_age_ns: An interval older than this is not open any more.
    """

    trigger: str
    open: tuple[str, ...]
    close: tuple[str, ...] = ()
    key: str | None = None
    count: tuple[Threshold, ...] = (Threshold("gte", 1),)
    distinct: str | None = None
    for_ns: int = 0
    max_age_ns: int = 0


class FirstSeen(msgspec.Struct, frozen=True, kw_only=True):
    """`type: first_seen`: a value that is new for its group.

    Attributes:
        memory: `all`: it was never seen. `last`: it differs from the one before, be it new or not.
        learn_ns: From the rule's activation on, values are remembered for so long and not reported.
        horizon_ns: A value that was not seen for so long is forgotten.
    """

    memory: Literal["all", "last"] = "all"
    learn_ns: int
    horizon_ns: int


class Travel(msgspec.Struct, frozen=True, kw_only=True):
    """`type: travel`: two places faster than a person can move.

    Attributes:
        place: Field with the place of an event; coordinates stand beside it.
        speed_kmh: Fastest that a person gets from site to site, as the crow flies.
    """

    place: str = "convergence.location.id"
    speed_kmh: float = 900.0


class CorrelationRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule over several events.

    Attributes:
        meta: What people read.
        type: Sigma 2.1 type, or one of ours.
        rules: Ids of the rules it names, in the order written (trigger, missing / open, close for ours).
        group_by: Field or alias names.
        aliases: Alias to (rule id to field).
        timespan_ns: Window length.
        condition: All must hold. For `temporal` types: how many distinct rules (default: all).
        expression: Condition of words of the `temporal` types, over rule ids; then `condition` is empty.
        field: Fields of value types and of `first_seen`; several are one composite value.
        percentile: 0 to 100 for `value_percentile`.
        close: Rules that end what a `temporal` alert is about: until then its episode goes on.
        level: 1, or one more than the highest correlation it names; at most 3.
        refire: `episode` opens and updates one alert, `every` alerts on each further match.
        null_group: `drop` leaves candidates without a key out, `keep` groups them under null.
        order: Whether possible order is enough.
        max_clock_uncertainty_ns: Cap of the widening by uncertainty; default half the timespan.
        max_episode_ns: Longest episode.
        absence: Set for `absence`.
        during: Set for `during`.
        first_seen: Set for `first_seen`.
        travel: Set for `travel`.
    """

    meta: RuleMeta
    type: CorrelationType
    rules: tuple[str, ...]
    group_by: tuple[str, ...] = ()
    aliases: dict[str, dict[str, str]] = {}
    timespan_ns: int = 0
    condition: tuple[Threshold, ...] = ()
    expression: RuleExpression | None = None
    field: tuple[str, ...] = ()
    percentile: float | None = None
    close: tuple[str, ...] = ()
    level: int = 1
    refire: Literal["episode", "every"] = "episode"
    null_group: Literal["drop", "keep"] = "drop"
    order: Literal["possible", "certain"] = "possible"
    max_clock_uncertainty_ns: int = 0
    max_episode_ns: int = 86_400_000_000_000
    absence: Absence | None = None
    during: During | None = None
    first_seen: FirstSeen | None = None
    travel: Travel | None = None


class RuleSet(msgspec.Struct, frozen=True):
    """Everything that was loaded.

    Attributes:
        rules: Detection rules by id.
        correlations: Correlations by id, in an order in which each stands after those it names.
        bundle_hash: Hash of all semantic hashes: names the bundle in alerts.
        notes: What loads and still wants a look, such as a filter that applies to no rule.
    """

    rules: dict[str, DetectionRule]
    correlations: dict[str, CorrelationRule]
    bundle_hash: str
    notes: tuple[RuleFault, ...] = ()

    @property
    def count(self) -> int:
        """How many rules and correlations there are."""
        return len(self.rules) + len(self.correlations)
