"""What a rule means, however it is written: the stuff of semantic hashes.

A detection is what is left of it after pipelines and lists: its condition, the log source it looks at and how repeats
are folded. Names, words and order are not in it, nor is by what it came about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from detector.rules.condition import And, Condition, Not, Or
from detector.rules.model import CorrelationRule, LogSource, Suppress, Threshold

_DIGEST_BYTES = 16


def meaning_of_detection(condition: Condition, logsource: LogSource, suppress: Suppress | None) -> object:
    """Return what gives a detection its meaning, as plain data.

    Args:
        condition: After pipelines, lists and filters.
        logsource: After pipelines.
        suppress: With its fields mapped.
    """
    return [meaning_of_condition(condition), msgspec.to_builtins(logsource), msgspec.to_builtins(suppress)]


def meaning_of_condition(condition: Condition) -> str:
    """Return a digest that is the same for conditions that differ in order, nesting and repetition only."""
    return _digest(condition).hex()


def meaning_of_correlation(rule: CorrelationRule, hashes: Mapping[str, str]) -> object:
    """Return what gives a correlation its meaning: a rule stands for its own, whatever it is called.

    Args:
        rule: The correlation.
        hashes: Semantic hash of each rule that it names, by id.
    """
    absence, during = rule.absence, rule.during

    def all_of(ids: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(hashes[each] for each in ids)

    if absence is not None:
        absence = msgspec.structs.replace(absence, trigger=hashes[absence.trigger], missing=all_of(absence.missing))
    if during is not None:
        open_, close = all_of(during.open), all_of(during.close)
        during = msgspec.structs.replace(
            during, trigger=hashes[during.trigger], open=open_, close=close, count=_ordered(during.count)
        )
    aliases = {name: {hashes[each]: path for each, path in fields.items()} for name, fields in rule.aliases.items()}
    expression = None if rule.expression is None else rule.expression.resolved(hashes.__getitem__)
    said = msgspec.structs.replace(
        rule,
        rules=all_of(rule.rules),
        close=all_of(rule.close),
        aliases=aliases,
        condition=_ordered(rule.condition),
        expression=expression,
        absence=absence,
        during=during,
    )
    fields = msgspec.to_builtins(said)
    del fields["meta"]
    if not rule.close:
        del fields["close"]  # alerts of rules without it keep their ids
    return fields


def _ordered(thresholds: Iterable[Threshold]) -> tuple[Threshold, ...]:
    return tuple(sorted(thresholds, key=msgspec.structs.astuple))


def _digest(condition: Condition) -> bytes:
    match condition:
        case And() | Or():
            kind = type(condition)
            parts = sorted({_digest(part) for part in _flat(kind, condition)})
            return parts[0] if len(parts) == 1 else _hashed(kind.__name__.encode() + b"".join(parts))
        case Not(part):
            return _hashed(b"Not" + _digest(part))
        case _:
            return _hashed(repr(condition).encode())  # numbers of any size, infinity and half characters too


def _flat(kind: type[And | Or], condition: Condition) -> Iterator[Condition]:
    """Yield the parts of a condition, those of parts of its own kind instead of these."""
    if isinstance(condition, kind):
        for part in condition.parts:
            yield from _flat(kind, part)
    else:
        yield condition


def _hashed(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
