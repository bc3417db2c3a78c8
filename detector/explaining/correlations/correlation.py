"""One correlation against many events: where it fired, which candidates decided, and what is still missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from detector.alerting.times import utc
from detector.candidate import Candidate, GroupKey
from detector.correlation.composing import Composer
from detector.correlation.hit import Hit
from detector.correlation.ordering import NOT_YET
from detector.correlation.plan import CorrelationSettings, Plan, named_rules, plan_correlations
from detector.explaining.correlations.absence import Missing
from detector.explaining.correlations.asking import asks
from detector.explaining.correlations.counting import Counting
from detector.explaining.correlations.during import Open
from detector.explaining.correlations.extended import Extended
from detector.explaining.correlations.firing import Firing, firings
from detector.explaining.correlations.first_seen import NewValues
from detector.explaining.correlations.gathering import Gathered
from detector.explaining.correlations.meaning import Meaning, Near
from detector.explaining.correlations.model import (
    CorrelationExplanation,
    GroupSeen,
    Role,
    RuleSeen,
    Seen,
    WindowSeen,
)
from detector.explaining.correlations.ordered import Ordered
from detector.explaining.correlations.temporal import Temporal
from detector.explaining.correlations.travel import Moves
from detector.explaining.correlations.words import Words, events_of, events_text, name_of
from detector.rules.model import CorrelationRule, RuleMeta, RuleSet

MAX_GROUPS = 5
"""Groups that are told."""

MAX_WINDOWS = 3
"""Windows of one group that are told."""

MAX_CANDIDATES = 10
"""Candidates of one window that are told."""

MAX_INDEXES = 20
"""Positions of events that are listed."""

MAX_OF_GROUP = 10_000
"""Candidates of one group that are looked at; the engine keeps as many."""

_SETTINGS = CorrelationSettings(lateness_ns=lambda _rule: 0, watched_from_ns=NOT_YET, assume_covered=True)
"""A file of events is given whole: nothing comes late, and everything was watched."""


class CorrelationExplainer:
    """Explains a correlation and those below it, over events that were gathered.

    Args:
        ruleset: All rules.
        rule: The correlation.
        gathered: What the events cause.
    """

    def __init__(self, ruleset: RuleSet, rule: CorrelationRule, gathered: Gathered) -> None:
        self._rule = rule
        self._gathered = gathered
        self._metas: dict[str, RuleMeta] = {
            **{key: each.meta for key, each in ruleset.rules.items()},
            **{key: each.meta for key, each in ruleset.correlations.items()},
        }
        self._plans = plan_correlations(ruleset, _SETTINGS)
        self._names = {key: meta.name for key, meta in self._metas.items()}
        self._told: dict[str, CorrelationExplanation] = {}
        self._fired = Counter[str]()
        self._ruleset = ruleset

    def explain(self) -> CorrelationExplanation:
        """Explain the correlation, the inner ones first: their results are candidates of the outer ones."""
        for rule in self._gathered.correlations:
            self._told[rule.meta.id] = self._explain(rule)
        return self._told[self._rule.meta.id]

    def _explain(self, rule: CorrelationRule) -> CorrelationExplanation:
        plan = self._plans[rule.meta.id]
        groups = self._gathered.groups[rule.meta.id]
        unkeyed = {key[1]: events for key, events in self._gathered.unkeyed.items() if key[0] == rule.meta.id}
        words = Words(rule, self._metas, groups, unkeyed)
        seen = [self._group(plan, key, group[:MAX_OF_GROUP], words) for key, group in groups.items()]
        seen.sort(key=lambda each: (not each[1].fired, not each[1].windows, -each[0]))
        told = tuple(group for _, group in seen[:MAX_GROUPS])
        fired = bool(told) and told[0].fired
        rules = tuple(self._rules(rule))
        untimed = tuple(sorted(self._gathered.untimed)[:MAX_INDEXES])
        return CorrelationExplanation(
            rule_id=rule.meta.id,
            rule_title=rule.meta.title,
            path=rule.meta.path,
            line=rule.meta.line,
            fired=fired,
            asks=asks(rule, words),
            blockers=() if fired else tuple(_blockers(told, rules, untimed)),
            rules=rules,
            groups=told,
            left_out=len(seen) - len(told),
            untimed=untimed,
            notes=tuple(self._notes(rule, groups)),
        )

    def _group(self, plan: Plan, key: GroupKey, group: Sequence[Candidate], words: Words) -> tuple[float, GroupSeen]:
        """Evaluate a group, hand on what it results in, and tell it with how near it came."""
        meaning = meaning_of(plan, key, group, words, self._gathered.first_ns)
        composer = Composer(plan, self._gathered.router, self._names)
        held = list[Hit]()
        for firing in firings(meaning.moments(), composer, key):
            held.append(firing.hit)
            if firing.has_result:
                self._hand_on(firing, key, composer)
        self._fired[plan.rule.meta.id] += len(held)
        near, count = ([], 0) if held else meaning.nearest(MAX_WINDOWS)
        windows = list(self._held(plan, held)) if held else [self._near(plan, each) for each in near]
        rules = set(named_rules(plan.rule))
        # Of groups that came equally far, the one where more of the rules matched says more.
        seen = len({each.rule_name for each in group}) / len(rules)
        return (
            (near[0].score if near else 0.0) + seen,
            GroupSeen(
                group=dict(zip(plan.rule.group_by, key, strict=False)),
                fired=bool(held),
                candidates=len(group),
                windows=tuple(windows[:MAX_WINDOWS]),
                left_out=max(count, len(windows)) - len(windows[:MAX_WINDOWS]),
            ),
        )

    def _hand_on(self, firing: Firing, key: GroupKey, composer: Composer) -> None:
        """Give a result to the outer correlations."""
        for result in composer.result(firing.hit, key, firing.at_ns):
            self._gathered.add(result)
        fields = composer.fields(firing.hit, firing.hit.group or key)
        events = sorted({event for each in firing.hit.evidence for event in events_of(each)})
        self._gathered.lacks_key(composer.plan.rule.meta.id, fields, events)

    def _held(self, plan: Plan, held: list[Hit]) -> Iterator[WindowSeen]:
        """Tell where it held; hits within a timespan of each other are one."""
        first, times, last_ns = held[0], 0, held[0].time_ns
        for hit in held:
            if hit.time_ns > last_ns + plan.rule.timespan_ns:
                yield self._window_of(plan, first, times, last_ns)
                first, times = hit, 0
            times, last_ns = times + 1, hit.time_ns
        yield self._window_of(plan, first, times, last_ns)

    def _window_of(self, plan: Plan, hit: Hit, times: int, last_ns: int) -> WindowSeen:
        return WindowSeen(
            held=True,
            start=utc(min(each.time_ns for each in hit.evidence)),
            end=utc(last_ns),
            candidates=self._seen(plan, hit.evidence),
            left_out=max(0, len(hit.evidence) - MAX_CANDIDATES),
            found=hit.reason,
            times=times,
        )

    def _near(self, plan: Plan, near: Near) -> WindowSeen:
        return WindowSeen(
            held=False,
            start=utc(near.start_ns),
            end=utc(near.end_ns),
            candidates=self._seen(plan, near.candidates),
            left_out=max(0, len(near.candidates) - MAX_CANDIDATES),
            found=near.found,
            missing=near.missing,
        )

    def _seen(self, plan: Plan, candidates: Sequence[Candidate]) -> tuple[Seen, ...]:
        return tuple(
            Seen(
                rule=name_of(self._metas[each.rule_name]),
                events=events_of(each)[:MAX_INDEXES],
                time=utc(each.time_ns),
                value=", ".join(str(each.fields.get(path)) for path in plan.rule.field)[:200],
            )
            for each in candidates[:MAX_CANDIDATES]
        )

    def _rules(self, rule: CorrelationRule) -> Iterator[RuleSeen]:
        gathered = self._gathered
        for rule_id in named_rules(rule):
            inner = self._told.get(rule_id)
            key = (rule.meta.id, rule_id)
            yield RuleSeen(
                rule_id=rule_id,
                name=name_of(self._metas[rule_id]),
                title=self._metas[rule_id].title,
                role=_role(rule, rule_id),
                matched=gathered.matched[rule_id] if inner is None else self._fired[rule_id],
                events=tuple(gathered.events[rule_id][:MAX_INDEXES]),
                without_key=tuple(gathered.unkeyed[key][:MAX_INDEXES]),
                lacking=tuple(gathered.lacking[key]),
                closest=gathered.closest(rule_id) if inner is None else None,
                inner=inner if inner is not None and not inner.fired else None,
            )

    def _notes(self, rule: CorrelationRule, groups: Mapping[GroupKey, Sequence[Candidate]]) -> Iterator[str]:
        users = [each.meta.title for each in self._ruleset.correlations.values() if rule.meta.id in named_rules(each)]
        if users and not rule.meta.generate:
            yield f"does not alert on its own: it feeds {', '.join(map(repr, users[:5]))}"
        if any(len(group) > MAX_OF_GROUP for group in groups.values()):
            yield f"only the first {MAX_OF_GROUP} candidates of a group are looked at"


def meaning_of(plan: Plan, key: GroupKey, group: Sequence[Candidate], words: Words, first_ns: int) -> Meaning:
    """Return what a correlation's type means for a group; learning begins with the first event of all."""
    kind = plan.rule.type
    group = [each for each in group if each.rule_name not in plan.rule.close]
    if plan.rule.expression is not None and plan.needs_silence:
        return Extended(plan, key, group, words)
    if kind == "absence":
        return Missing(plan, key, group, words)
    if kind == "during":
        return Open(plan, key, group, words)
    if kind == "first_seen":
        return NewValues(plan, group, words, first_ns)
    if kind == "travel":
        return Moves(plan, group, words)
    if kind == "temporal_ordered":
        return Ordered(plan, key, group, words)
    return Temporal(plan, key, group, words) if kind == "temporal" else Counting(plan, key, group, words)


def _role(rule: CorrelationRule, rule_id: str) -> Role:
    if rule.absence is not None:
        return "trigger" if rule_id == rule.absence.trigger else "missing"
    if rule.during is not None:
        roles: dict[Role, tuple[str, ...]] = {
            "trigger": (rule.during.trigger,),
            "open": rule.during.open,
            "close": rule.during.close,
        }
        return next(role for role, ids in roles.items() if rule_id in ids)
    return "close" if rule_id in rule.close else "rule"


def _blockers(groups: Sequence[GroupSeen], rules: Sequence[RuleSeen], untimed: Sequence[int]) -> Iterator[str]:
    """Yield what the nearest group misses; without any group, why no event became a candidate."""
    for group in groups[:1]:
        for window in group.windows[:1]:
            yield from window.missing
        if group.windows:
            return
    if untimed:
        yield f"{events_text(untimed)}: without a time, and counted nowhere"
    for rule in rules:
        if rule.without_key and rule.role != "close":
            listed = " and ".join(f"`{path}`" for path in rule.lacking)
            yield f"{rule.name}: {len(rule.without_key)} matching events have no {listed}, and are left out"
        elif not rule.matched and rule.role not in {"close", "missing"}:
            yield f"{rule.name}: {'never fired' if rule.inner else 'no event matched'}"
