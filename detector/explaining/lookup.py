"""From what a person types to the rule that is meant."""

from __future__ import annotations

from detector.errors import UnknownRuleError
from detector.rules.meta import suggest
from detector.rules.model import CorrelationRule, DetectionRule, RuleSet

MIN_PREFIX = 4
"""Characters of an id that may stand for the whole."""


def find_rule(ruleset: RuleSet, text: str) -> DetectionRule | CorrelationRule:
    """Find a rule or correlation by its id, name or title, or by the unique beginning of its id.

    Raises:
        UnknownRuleError: None is meant, or more than one.
    """
    rules: list[DetectionRule | CorrelationRule] = [*ruleset.rules.values(), *ruleset.correlations.values()]
    folded = text.casefold()
    for found in (
        [each for each in rules if text in (each.meta.id, each.meta.name)],
        [each for each in rules if each.meta.title.casefold() == folded],
        [each for each in rules if len(text) >= MIN_PREFIX and each.meta.id.startswith(text)],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(each.meta.id for each in found[:5])
            raise UnknownRuleError(f"{text!r} means {len(found)} rules; give the id of one: {ids}")
    names = [name for each in rules for name in (each.meta.title, each.meta.name)]
    raise UnknownRuleError(f"no rule {text!r} is loaded{suggest(text, names)}")
