"""Which datasets can match which rule: what lateness a rule must bear, and who would have reported an event."""

from __future__ import annotations

from collections.abc import Mapping

from detector.correlation.plan import CorrelationSettings, Expectations, Expected, named_rules
from detector.rules.logsources import LogSourceMap, contradicts
from detector.rules.model import RuleSet
from detector.settings import Settings
from normalizers.context.history import FOREVER
from normalizers.context.store import ContextStore
from normalizers.context.verdicts import UNSETTLED
from normalizers.registry import NORMALIZERS
from normalizers.source import SourceProfile

FEEDS: Mapping[str, str] = {"servicenow.change": "approvals", "hr.person": "people"}
"""Dataset to the context table that it feeds."""

OWN = "engine"
"""Category of what the engine says about itself."""


class Reach:
    """Answers for one rule set under one settings file.

    Args:
        ruleset: Rules.
        logsources: Dataset to log source.
        settings: Sources, their datasets and lateness.
        profiles: Source id to what is known of it.
        context: Assets and locations: what a source reports of is looked up when a task is made.
    """

    def __init__(
        self,
        ruleset: RuleSet,
        logsources: LogSourceMap,
        settings: Settings,
        profiles: Mapping[str, SourceProfile],
        context: ContextStore,
    ) -> None:
        self._context = context
        self._ruleset = ruleset
        self._settings = settings
        self._profiles = profiles
        self._datasets = {rule_id: self._reached(rule_id, logsources) for rule_id in ruleset.rules}
        self.fed = frozenset(
            FEEDS[source.dataset]
            for source in settings.sources.values()
            if source.dataset is not None and source.dataset in FEEDS
        )

    def correlation_settings(self, *, watched_from_ns: int | None = None) -> CorrelationSettings:
        """Return what correlations must be told."""
        return CorrelationSettings(
            lateness_ns=self.lateness_ns,
            is_own=self.is_own,
            settles=self.settles,
            context_wait_ns=int(self._settings.context.wait),
            expectations=self.expectations,
            partner_uncertainty_ns=max((each.usual_uncertainty_ns for each in self._profiles.values()), default=0),
            watched_from_ns=watched_from_ns,
            budget=self._settings.correlation_candidates,
        )

    def lateness_ns(self, rule_id: str) -> int:
        """Return the largest lateness of the datasets that a rule can match."""
        return max((self._settings.lateness_ns(each) for each in self._datasets.get(rule_id, ())), default=0)

    def is_own(self, rule_id: str) -> bool:
        """Return whether a rule or correlation can match nothing but what the engine itself noticed."""
        correlation = self._ruleset.correlations.get(rule_id)
        if correlation is not None:
            return all(map(self.is_own, named_rules(correlation)))
        rule = self._ruleset.rules.get(rule_id)
        return rule is not None and rule.logsource.category == OWN

    def settles(self, rule_id: str) -> bool:
        """Return whether a rule's matches may rest on a row that a feed still brings."""
        rule = self._ruleset.rules.get(rule_id)
        return rule is not None and any(
            path in rule.field_paths and table in self.fed for path, (table, _) in UNSETTLED.items()
        )

    def expectations(self, rule_id: str) -> Expectations:
        """Return the sources that would have produced an event of a rule."""
        return tuple(
            Expected(
                source,
                self._profiles[source].expectation_ns,
                self._settings.lateness_ns(settings.dataset),
                self._profiles[source].site,
                self._places(settings.place, self._profiles[source].host),
            )
            for source, settings in sorted(self._settings.sources.items())
            if settings.dataset is not None and settings.dataset in self._datasets.get(rule_id, ())
        )

    def _places(self, place: str | None, host: str | None) -> tuple[tuple[str, ...], ...]:
        """Return the places that a source reports of, by settings or as a camera; none when one of them is unknown."""
        view = self._context.view(FOREVER - 1, FOREVER - 1)
        asset = view.asset_named(host) if place is None and host is not None else None
        names = [place] if place is not None else (asset.covers or ()) if asset is not None else ()
        chains = [[each.location_id for each in reversed(view.ancestors(name))] for name in names]
        return tuple(map(tuple, chains)) if all(chains) else ()

    def covering(self) -> dict[str, int]:
        """Return the sources whose liveness some absence asks for, with their expectation in ns."""
        found = dict[str, int]()
        for correlation in self._ruleset.correlations.values():
            for rule_id in correlation.absence.missing if correlation.absence is not None else ():
                for each in self.expectations(rule_id):
                    if each.expectation_ns is not None:
                        found[each.source] = each.expectation_ns
        return found

    def _reached(self, rule_id: str, logsources: LogSourceMap) -> frozenset[str]:
        rule = self._ruleset.rules[rule_id]
        return frozenset(
            dataset
            for dataset in NORMALIZERS
            if not (possible := logsources.possible(dataset))
            or any(not contradicts(rule.logsource, logsource) for logsource in possible)
        )
