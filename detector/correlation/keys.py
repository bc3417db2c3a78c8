"""Group keys: which groups of a correlation an event counts in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import product

import msgspec

from connectors.record import hashed_id
from detector.candidate import GroupKey
from detector.rules.model import CorrelationRule
from normalizers.event import Scalar, Value

MAX_GROUPS = 32
"""Groups that one event counts in at most by a key with several values; the excess is counted."""

MAX_LIST = 64
"""Members of a list that are looked at; a longer list is cut when its event is projected."""

MAX_KEY_CHARS = 512
"""Longer keys are shortened to their beginning and a hash: a key is stored with every candidate."""

MAX_TEXT_CHARS = 4_096
"""Characters of a value that count; projection keeps as many, so that keys can be computed again from it."""

FOLDED = (
    "user.name",
    "user.target.name",
    "user.email",
    "user.domain",
    "host.name",
    "host.hostname",
    "convergence.account.id",
    "convergence.session.target",
)
"""Fields whose spelling varies in case from source to source without meaning anything by it."""

DOMAINS = {"user.name": "user.domain", "user.target.name": "user.target.domain"}
"""Account names, with the field that keeps two accounts of one name apart."""


class KeyPart(msgspec.Struct, frozen=True):
    """How one group-by entry is read from the events of one rule.

    Attributes:
        field_path: Where its value stands.
        folded: Case does not count.
        domain_path: Field whose value precedes the name, else None.
    """

    field_path: str
    folded: bool = False
    domain_path: str | None = None


def key_parts(correlation: CorrelationRule, rule_id: str) -> tuple[KeyPart, ...]:
    """Return how the group-by entries of a correlation are read from events of one of its rules.

    An alias is folded as a whole: when one of its fields is a name without case, values of the others must meet it.
    """
    return tuple(_key_part(correlation, rule_id, name) for name in correlation.group_by)


def groups_of(
    parts: tuple[KeyPart, ...], fields: Mapping[str, Value], *, keep_null: bool
) -> tuple[list[GroupKey], int]:
    """Compute the groups in which an event counts.

    Args:
        parts: As `key_parts` made them.
        fields: Flat fields of the event or of a correlation's result.
        keep_null: Group under null what lacks a key, instead of leaving it out.

    Returns:
        At most `MAX_GROUPS` groups in the order of the event's lists, empty when a key is missing; and the excess.
    """
    plain = _plain_key(parts, fields)
    if plain is not None:
        return [plain], 0
    choices = list[list[str | None]]()
    total = 1
    for part in parts:
        values = _key_values(part, fields)
        if not values:
            if not keep_null:
                return [], 0
            values = [None]
        choices.append(values)
        total *= len(values)
    if total <= MAX_GROUPS:
        return list(product(*choices)), 0
    groups = [group for group, _ in zip(product(*choices), range(MAX_GROUPS), strict=False)]
    return groups, total - MAX_GROUPS


def canonical_text(value: Scalar, *, folded: bool = False) -> str:
    """Write a scalar so that equal keys are equal texts: 5 and 5.0 alike, booleans as in JSON."""
    if isinstance(value, str):
        text = value[:MAX_TEXT_CHARS]
        if folded:
            text = text.lower()
        return text if len(text) <= MAX_KEY_CHARS else f"{text[:480]}#{hashed_id(text)}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def shared_groups(memberships: Iterable[Collection[GroupKey]]) -> set[GroupKey]:
    """Return the groups that every piece of evidence counts in."""
    shared: set[GroupKey] | None = None
    for groups in memberships:
        shared = set(groups) if shared is None else shared.intersection(groups)
        if len(shared) == 1:
            break
    return shared or set()


def merged_group(groups: Collection[GroupKey]) -> GroupKey:
    """Name several groups that rest on the same evidence by one key: the values of each place, joined by ``;``."""
    if len(groups) == 1:
        return next(iter(groups))
    return tuple(
        None if any(value is None for value in values) else ";".join(sorted(set(filter(None, values))))
        for values in zip(*groups, strict=True)
    )


def group_order(group: GroupKey) -> tuple[str, ...]:
    """Return a sort key for groups, null first."""
    return tuple("" if value is None else f"\x01{value}" for value in group)


def is_folded(path: str) -> bool:
    """Return whether case means nothing in a field's values."""
    return path.endswith(FOLDED) and any(path == field or path.endswith("." + field) for field in FOLDED)


def _key_part(correlation: CorrelationRule, rule_id: str, name: str) -> KeyPart:
    alias = correlation.aliases.get(name)
    if alias is None:
        return KeyPart(name, is_folded(name), _domain_path(name))
    # A rule that an alias does not name is read under the alias's own name, as other engines do.
    path = alias.get(rule_id, name)
    paths = [alias.get(rule, name) for rule in correlation.rules]
    all_accounts = all(_domain_path(other) is not None for other in paths)
    return KeyPart(path, any(map(is_folded, paths)), _domain_path(path) if all_accounts else None)


def _domain_path(path: str) -> str | None:
    for name, domain in DOMAINS.items():
        if path == name or path.endswith("." + name):
            return path[: len(path) - len(name)] + domain
    return None


def _plain_key(parts: tuple[KeyPart, ...], fields: Mapping[str, Value]) -> GroupKey | None:
    """Return the one group of an event whose keys are short texts, as most are; None when there is more to it."""
    key = list[str]()
    for part in parts:
        value = fields.get(part.field_path)
        if value.__class__ is not str or len(value) > MAX_KEY_CHARS:
            return None
        text = value.lower() if part.folded else value
        key.append(text if part.domain_path is None else _with_domain(part, fields, text))
    return tuple(key)


def _key_values(part: KeyPart, fields: Mapping[str, Value]) -> list[str | None]:
    value = fields.get(part.field_path)
    if value is None:
        return []
    if not isinstance(value, list):
        return [_with_domain(part, fields, canonical_text(value, folded=part.folded))]
    texts = dict.fromkeys(canonical_text(each, folded=part.folded) for each in value[:MAX_LIST] if each is not None)
    return [_with_domain(part, fields, text) for text in texts]


def _with_domain(part: KeyPart, fields: Mapping[str, Value], text: str) -> str:
    if part.domain_path is None or "\\" in text:
        return text
    domain = fields.get(part.domain_path)
    return f"{domain[:255].lower()}\\{text}" if isinstance(domain, str) and domain else text
