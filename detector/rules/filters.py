"""Sigma Filters: conditions that rules must pass too, with an end, an owner and a ticket.

A rule and a filter read ``(rule) and (filter)``. A filter with `expires` no longer filters events of that time or
later: the event's own clock decides, so that a replay decides alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime

import msgspec

from detector.errors import RuleFault
from detector.instant import datetime_ns
from detector.rules.adaptation import Adaptation
from detector.rules.condition import And, Or, field_paths, since
from detector.rules.detections import parse_detection
from detector.rules.documents import RuleDocument
from detector.rules.meaning import meaning_of_condition, meaning_of_detection
from detector.rules.meta import check_keys, hash_of, key_of, suggest
from detector.rules.model import AppliedFilter, DetectionRule, LogSource, RuleSet
from detector.rules.naming import Named, joined
from normalizers.timestamps import format_utc

KEYS = frozenset({"expires", "owner", "ticket"})
"""Ours, beside `filter`; other tools keep them among the custom keys."""

ANY = "any"
"""Names every rule."""


class _Part(msgspec.Struct, frozen=True):
    """What one filter adds to one rule."""

    applied: AppliedFilter
    condition: Named
    hash: str


class Filters:
    """Narrows the rules of one load.

    Args:
        rules: By id; those that filters name are replaced.
        ids: Name or id of a loaded rule to its id.
        others: Names and ids of documents that are no loaded detection: to what they are.
        adaptation: Pipelines and lists.

    Attributes:
        notes: Filters that apply to less than they say.
    """

    def __init__(
        self, rules: dict[str, DetectionRule], ids: Mapping[str, str], others: Mapping[str, str], adaptation: Adaptation
    ) -> None:
        self._rules = rules
        self._ids = ids
        self._others = others
        self._adaptation = adaptation
        self.notes: list[RuleFault] = []

    def apply(self, documents: Sequence[RuleDocument], faults: list[RuleFault]) -> None:
        """Apply filters; one that is broken is a fault, and the rules go on without it."""
        found = dict[str, dict[str, _Part]]()
        for document in documents:
            try:
                for rule_id, part in self._read(document).items():
                    # The same filter twice filters once.
                    found.setdefault(rule_id, {})[part.hash] = part
            except ValueError as error:
                faults.append(document.fault(str(error)))
        for rule_id, several in found.items():
            self._rules[rule_id] = _narrowed(self._rules[rule_id], [several[key] for key in sorted(several)])

    def _read(self, document: RuleDocument) -> dict[str, _Part]:
        """Return what a filter adds, by the id of the rule."""
        check_keys(document, KEYS)
        body = _body(document)
        expires_ns = _expires(document.content.get("expires"))
        named = self._named(document, body["rules"])
        logsource = self._logsource(document)
        chosen = [self._rules[rule_id] for rule_id in (self._rules if named is None else named)]
        chosen = [rule for rule in chosen if self._covers(document, logsource, rule, noted=named is not None)]
        if not chosen and named is None:
            self.notes.append(document.fault("applies to no rule", "delete it, or widen its log source"))
        parts = dict[LogSource, _Part]()
        for written in {rule.written for rule in chosen} or {logsource}:
            parts[written] = self._part(document, body, written, expires_ns)
        return {rule.meta.id: parts[rule.written] for rule in chosen}

    def _named(self, document: RuleDocument, rules: object) -> list[str] | None:
        """Return the ids of the rules that a filter names, None for all."""
        names = [str(each) for each in rules] if isinstance(rules, list) else [str(rules)]
        if ANY in map(str.lower, names):
            return None
        found = list[str]()
        for name in names:
            key = key_of(name)
            if key in self._ids:
                found.append(self._ids[key])
            elif self._others.get(key) == "refused":
                self.notes.append(document.fault(f"names rule {name!r}, which was refused", "see the rule's fault"))
            else:
                raise ValueError(f"names rule {name!r}, {self._unknown(name)}")
        return found

    def _unknown(self, name: str) -> str:
        if key_of(name) in self._others:
            return f"which is a {self._others[key_of(name)]}; name the detections that it stands on"
        return f"which does not exist{suggest(name, self._ids)}"

    def _logsource(self, document: RuleDocument) -> LogSource:
        written = document.content.get("logsource") or {}
        if not isinstance(written, dict):
            raise ValueError("`logsource` is not a mapping such as {product: windows}")  # noqa: TRY004  of the text
        return LogSource(written.get("category"), written.get("product"), written.get("service"))

    def _covers(self, document: RuleDocument, wide: LogSource, rule: DetectionRule, *, noted: bool) -> bool:
        covers = _contains(wide, rule.written)
        if noted and not covers:
            what = f"names rule {rule.meta.name!r}, whose log source is not within the filter's"
            self.notes.append(document.fault(what, "widen the filter's log source, or leave the rule out"))
        return covers

    def _part(
        self, document: RuleDocument, body: Mapping[str, object], written: LogSource, expires_ns: int | None
    ) -> _Part:
        """Read the filter as if it stood in a rule of some log source: pipelines map it as they map the rule."""
        content = document.content
        logsource = {key: value for key in LogSource.__struct_fields__ if (value := getattr(written, key)) is not None}
        detection = {key: value for key, value in body.items() if key != "rules"}
        parsed = parse_detection({**content, "logsource": logsource, "detection": detection}, self._adaptation)
        named = (parsed.condition, parsed.names)
        condition, names = named if expires_ns is None else joined(Or, [named, (since(expires_ns), ())])
        filter_hash = meaning_of_condition(condition)
        applied = AppliedFilter(
            id=str(content.get("id") or content.get("name") or filter_hash),
            title=document.title,
            path=document.path,
            line=document.line,
            owner=_text(content.get("owner")),
            ticket=_text(content.get("ticket")),
            expires_ns=expires_ns,
        )
        return _Part(applied, (condition, ((0, f"filter: {applied.title}"), *names)), filter_hash)


def expired_filters(ruleset: RuleSet, now_ns: int) -> list[RuleFault]:
    """Return the filters that filter no more at some time, each with its place and what to do."""
    rules = dict[AppliedFilter, int]()
    for rule in ruleset.rules.values():
        for applied in expired(rule.meta.filters, now_ns):
            rules[applied] = rules.get(applied, 0) + 1
    return [
        RuleFault(
            applied.path,
            applied.line,
            applied.title,
            f"expired on {format_utc(applied.expires_ns or 0)} and no longer filters {count} rule{'s' * (count > 1)}",
            f"renew or delete it ({about(applied)})",
        )
        for applied, count in rules.items()
    ]


def newly_expired(ruleset: RuleSet, since_ns: int, now_ns: int) -> list[RuleFault]:
    """Return the filters that stopped filtering between two times."""
    known = expired_filters(ruleset, since_ns)
    return [each for each in expired_filters(ruleset, now_ns) if each not in known]


def expired(filters: Iterable[AppliedFilter], time_ns: int) -> list[AppliedFilter]:
    """Return those filters that do not filter an event of some time any more."""
    return [each for each in filters if each.expires_ns is not None and each.expires_ns <= time_ns]


def about(applied: AppliedFilter) -> str:
    """Say in words who answers for a filter."""
    return f"ticket {applied.ticket or 'not stated'}, owner {applied.owner or 'not stated'}"


def _narrowed(rule: DetectionRule, parts: Sequence[_Part]) -> DetectionRule:
    condition, names = joined(And, [(rule.condition, rule.names), *(part.condition for part in parts)])
    semantic_hash = hash_of(meaning_of_detection(condition, rule.logsource, rule.suppress))
    filters = tuple(part.applied for part in parts)
    meta = msgspec.structs.replace(rule.meta, semantic_hash=semantic_hash, filters=filters)
    paths = frozenset(field_paths(condition))
    return msgspec.structs.replace(rule, meta=meta, condition=condition, field_paths=paths, names=names)


def _contains(wide: LogSource, narrow: LogSource) -> bool:
    pairs = ((wide.category, narrow.category), (wide.product, narrow.product), (wide.service, narrow.service))
    return all(mine is None or mine == theirs for mine, theirs in pairs)


def _body(document: RuleDocument) -> dict[str, object]:
    body = document.content["filter"]
    if not isinstance(body, dict):
        raise ValueError("`filter` is not a mapping; give `rules`, selections and a `condition`")  # noqa: TRY004
    if not body.get("rules"):
        raise ValueError("its filter has no `rules`; name the rules that it filters, or write `rules: any`")
    for key in sorted(KEYS & body.keys()):
        raise ValueError(f"`{key}` stands in `filter`, where it would be a selection; write it beside `filter`")
    return body


def _expires(value: object) -> int | None:
    """Read a date (its beginning, in UTC) or a time; a time without a zone is UTC."""
    if value is None:
        return None
    stamp = value
    if isinstance(value, str):
        try:
            stamp = datetime.fromisoformat(value)
        except ValueError:
            stamp = None
    if isinstance(stamp, date) and not isinstance(stamp, datetime):
        stamp = datetime(stamp.year, stamp.month, stamp.day, tzinfo=UTC)
    if not isinstance(stamp, datetime):
        raise ValueError(f"`expires` is {value!r}; write a date or time such as 2026-12-31 or 2026-12-31T18:00:00Z")  # noqa: TRY004
    return datetime_ns(stamp)


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(str(each) for each in value.values())
    return "" if value is None else str(value)
