"""From a hit to the alert draft and to the candidate of the next level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from detector.alert import AlertDraft, Status
from detector.candidate import Candidate, GroupKey
from detector.correlation.evidence import first_and_last, in_order, steps_of
from detector.correlation.hit import MAX_NEW_STEPS, Hit
from detector.correlation.identity import alert_id, result_id
from detector.correlation.keys import MAX_GROUPS, group_order, groups_of, merged_group, shared_groups
from detector.correlation.plan import Plan
from detector.correlation.projection import MAX_FIELDS
from detector.correlation.routing import CandidateRouter
from detector.correlation.summary import summarize
from normalizers.event import Scalar, Value


class Composer:
    """Writes the drafts and results of one correlation.

    Args:
        plan: The correlation.
        router: Knows how each rule's fields give groups.
        names: Rule id to the name under which sentences and later levels know it.

    Attributes:
        plan: The correlation.
        generates: It alerts, and does not only feed others.
    """

    def __init__(self, plan: Plan, router: CandidateRouter, names: Mapping[str, str]) -> None:
        self.renew(plan, router, names)

    def renew(self, plan: Plan, router: CandidateRouter, names: Mapping[str, str]) -> None:
        """Go on under other rules, in which the correlation means the same whatever it and others are called."""
        self.plan = plan
        self.generates = plan.rule.meta.generate
        self._router = router
        self._names = names
        # `suppress` carries its rule's own id: its results would be its own input.
        self._is_named = plan.rule.meta.id not in plan.rule.rules and router.is_named(plan.rule.meta.id)
        self._routes = {rule: route for rule in names if (route := router.route(plan.rule.meta.id, rule)) is not None}
        self._key_paths = {rule: [part.field_path for part in route.parts] for rule, route in self._routes.items()}

    def claim(self, hit: Hit, group: GroupKey) -> bool:
        """Decide whether this group reports a hit, and under which key.

        A list-valued key puts the same evidence into several groups. Exactly one of them, the least, reports it,
        under a key that names them all; each can compute that alone, wherever its neighbours are kept. What rests on
        something missing is reported by each group: whether it is missing in its neighbours too, none can know.
        """
        if self.plan.needs_silence or not self._has_list(hit.anchor):
            return True
        shared = shared_groups(self._groups(candidate) for candidate in (hit.anchor, *hit.evidence))
        if len(shared) <= 1:
            return True
        if group != min(shared, key=group_order):
            return False
        hit.group = merged_group(sorted(shared, key=group_order)[:MAX_GROUPS])
        return True

    def draft(
        self, hit: Hit, group: GroupKey, ready_ns: int, status: Status, opened_by: Candidate | None = None
    ) -> AlertDraft:
        """Write the first revision of an alert.

        Args:
            hit: What was found.
            group: Group it was found in.
            ready_ns: Order value of the application or timer.
            status: `active` for an episode that lasts.
            opened_by: Whose ready time names the alert's month; default the anchor.
        """
        shown = hit.group or group
        steps = first_and_last(steps_of(hit.evidence, self._router.title_of))
        return AlertDraft(
            alert_id=alert_id(self.plan.rule.meta, shown, hit.decided_by, (opened_by or hit.anchor).ready_ns),
            rule_id=self.plan.rule.meta.id,
            group=shown,
            status=status,
            opened_ns=steps[0].time_ns if steps else hit.time_ns,
            last_ns=hit.time_ns,
            ready_ns=ready_ns,
            count=1,
            steps=tuple(steps),
            fields=self.fields(hit, shown),
            order=hit.order,
            coverage=hit.coverage,
            late=hit.late,
            ahead=hit.ahead,
            reason=hit.reason,
            widened_ns=hit.widened_ns,
        )

    def extended(self, draft: AlertDraft, hits: Sequence[Hit], ready_ns: int) -> AlertDraft:
        """Write the next revision of an active alert: more matches, in the order in which they were found."""
        steps = {(step.rule_name, step.event_id): step for step in draft.steps}
        order, last_ns, widened_ns = draft.order, draft.last_ns, draft.widened_ns
        newest: Hit | None = None
        new = {(each.rule_name, each.event_id): each for hit in hits for each in hit.evidence[-MAX_NEW_STEPS:]}
        for step in steps_of((each for key, each in new.items() if key not in steps), self._router.title_of):
            steps.setdefault((step.rule_name, step.event_id), step)
        for hit in hits:
            if hit.time_ns >= last_ns:
                newest, last_ns = hit, hit.time_ns
            if hit.order == "certain":
                order = "certain"
            widened_ns = max(widened_ns, hit.widened_ns)
        ordered = in_order(steps.values())
        return msgspec.structs.replace(
            draft,
            status=draft.status if newest is None else "active",
            last_ns=last_ns,
            opened_ns=min(draft.opened_ns, ordered[0].time_ns),
            ready_ns=ready_ns,
            count=draft.count + len(hits),
            steps=tuple(first_and_last(ordered)),
            fields=draft.fields if newest is None else self.fields(newest, draft.group),
            order=order,
            late=draft.late or any(hit.late for hit in hits),
            ahead=draft.ahead or any(hit.ahead for hit in hits),
            reason=draft.reason if newest is None else newest.reason,
            widened_ns=widened_ns,
        )

    def ended(self, draft: AlertDraft, by: Candidate, ready_ns: int) -> AlertDraft:
        """Write the revision that says that what an alert is about has ended; its fields are under the rule's name."""
        steps = {
            (step.rule_name, step.event_id): step for step in (*draft.steps, *steps_of([by], self._router.title_of))
        }
        fields = dict(draft.fields)
        for path, value in by.fields.items():
            if len(fields) < MAX_FIELDS:
                fields[f"{self.name_of(by.rule_name)}.{path}"] = value
        return msgspec.structs.replace(
            draft,
            status="closed",
            last_ns=max(draft.last_ns, by.time_ns),
            ready_ns=ready_ns,
            steps=tuple(first_and_last(in_order(steps.values()))),
            fields=fields,
            reason=f"over: {self.summary_of(by)}",
        )

    def result(self, hit: Hit, group: GroupKey, ready_ns: int) -> list[Candidate]:
        """Write what the next levels take; nothing when nobody names this correlation."""
        if not self._is_named:
            return []
        meta = self.plan.rule.meta
        shown = hit.group or group
        fields = self.fields(hit, shown)
        result = Candidate(
            correlation_id="",
            group=(),
            rule_name=meta.id,
            event_id=result_id(meta.id, shown, hit.decided_by),
            time_ns=hit.time_ns,
            ready_ns=ready_ns,
            uncertainty_ns=max((each.uncertainty_ns for each in hit.evidence), default=0),
            source="",
            fields=fields,
            evidence=tuple(first_and_last(steps_of(hit.evidence, self._router.title_of))),
        )
        return self._router.result_candidates(result)

    def fields(self, hit: Hit, group: GroupKey) -> dict[str, Value]:
        """Return the anchor's fields, the group's keys, and each part's as ``<rule name>.<field>``."""
        fields = {**hit.anchor.fields, **hit.fields}
        for name, key in zip(self.plan.rule.group_by, group, strict=False):
            if key is not None and name not in fields:
                several = hit.group is not None and ";" in key
                fields[name] = list[Scalar](key.split(";")) if several else key
        for part in hit.evidence:
            prefix = self.name_of(part.rule_name)
            for path, value in part.fields.items():
                if len(fields) >= MAX_FIELDS:
                    return fields
                fields.setdefault(f"{prefix}.{path}", value)
        return fields

    def summary_of(self, candidate: Candidate) -> str:
        """Say in one line what a candidate is about."""
        return summarize(self._router.title_of(candidate.rule_name), candidate.fields)

    def name_of(self, rule_id: str) -> str:
        """Return the name under which readers know a rule."""
        return self._names.get(rule_id, rule_id)

    def _has_list(self, candidate: Candidate) -> bool:
        """Return whether a candidate may count in several groups."""
        paths = self._key_paths.get(candidate.rule_name, ())
        return any(isinstance(candidate.fields.get(path), list) for path in paths)

    def _groups(self, candidate: Candidate) -> list[GroupKey]:
        route = self._routes.get(candidate.rule_name)
        if route is None:
            return [candidate.group]
        return groups_of(route.parts, candidate.fields, keep_null=route.keep_null)[0]
