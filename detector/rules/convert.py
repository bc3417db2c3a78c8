"""From pySigma's syntax tree to the condition tree. Reads the tree's parts, never its printed form."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import re2  # type: ignore[import-untyped]  # google-re2 has no stubs
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionIdentifier,
    ConditionItem,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SpecialChars,
)

from detector.rules.condition import (
    And,
    BoolTest,
    CidrTest,
    CompareTest,
    Condition,
    ExistsTest,
    FieldRefTest,
    FieldTest,
    KeywordTest,
    Not,
    NullTest,
    NumberTest,
    Or,
    RegexTest,
    TextTest,
    ValueTest,
)
from detector.rules.naming import Named, Names, size
from detector.rules.patterns import PatternError, compile_pattern, wildcard_pattern
from detector.rules.placeholders import Literal, Placeholders
from detector.rules.spelling import MAX_PARTS, PERCENT, Cased

REGEX_NODES = 50
"""What a regular expression filled with a listed value counts for: each is an automaton of its own."""

_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}


_REPEATS = {SpecialChars.WILDCARD_MULTI: "*", SpecialChars.WILDCARD_SINGLE: "?"}
"""What pySigma takes for wildcards in an expression, too."""

_MAPPED_BITS = 96
"""Bits before the v4 address in ::ffff:0:0/96."""


class UnsupportedConditionError(Exception):
    """A condition that cannot be expressed; the message says what."""


def convert(node: Any, placeholders: Placeholders) -> Named:  # noqa: ANN401  pySigma's nodes have no common type
    """Convert a parsed condition, and say where in it each selection stands.

    Raises:
        UnsupportedConditionError: A value's type is unknown, or there is too much of it.
        ValueError: A placeholder is not resolved.
    """
    converter = _Converter(placeholders)
    return converter.condition(node), converter.names


class _Converter:
    def __init__(self, placeholders: Placeholders) -> None:
        self._placeholders = placeholders
        self._nodes = 0
        self._place = 0
        self._names = list[tuple[int, str]]()

    @property
    def names(self) -> Names:
        return tuple(self._names)

    def condition(self, node: Any) -> Condition:  # noqa: ANN401
        self._count()
        name = _selection(node)
        if name is not None:
            self._names.append((self._place, name))
        if not isinstance(node, ConditionAND | ConditionOR | ConditionNOT):
            leaf = self._leaf(node)
            self._place += size(leaf)
            return leaf
        self._place += 1
        if isinstance(node, ConditionNOT):
            return Not(self.condition(node.args[0]))
        return (And if isinstance(node, ConditionAND) else Or)(tuple(self.condition(each) for each in node.args))

    def _leaf(self, node: Any) -> Condition:  # noqa: ANN401
        if isinstance(node, ConditionFieldEqualsValueExpression):
            return self._field(_path(node.field), node.value)
        if isinstance(node, ConditionValueExpression):
            return self._keyword(node.value)
        raise UnsupportedConditionError(f"{type(node).__name__} has no meaning here")

    def _field(self, path: str, value: Any) -> Condition:  # noqa: ANN401
        if isinstance(value, SigmaExpansion):
            return Or(tuple(self._field(path, each) for each in _expanded(value)))
        if _has_placeholder(value):
            return self._filled(value, lambda test: FieldTest(path, test))
        return FieldTest(path, _value_test(value))

    def _keyword(self, value: Any) -> Condition:  # noqa: ANN401
        if isinstance(value, SigmaExpansion):
            return Or(tuple(self._keyword(each) for each in _expanded(value)))
        if _has_placeholder(value):
            return self._filled(value, KeywordTest)
        test = _value_test(value)
        if isinstance(test, (TextTest, NumberTest, RegexTest)):
            return KeywordTest(test)
        raise UnsupportedConditionError(f"a keyword cannot be {type(value).__name__}; name a field")

    def _filled(self, value: Any, leaf: Callable[[TextTest | RegexTest], Condition]) -> Condition:  # noqa: ANN401
        def one(parts: tuple[Any, ...]) -> Condition:
            self._count(REGEX_NODES if is_regex else 1)
            return leaf(_filled_regex(value, parts) if is_regex else _filled_text(value, parts))

        is_regex = isinstance(value, SigmaRegularExpression)
        return self._placeholders.fill(value.regexp.s if is_regex else value.s, one)

    def _count(self, nodes: int = 1) -> None:
        self._nodes += nodes
        if self._nodes > MAX_PARTS:
            raise UnsupportedConditionError(f"the condition has more than {MAX_PARTS} parts; split the rule")


def _path(field: object) -> str:
    """Return a field's name as events have it: without its spaces, as Sigma writes names."""
    path = str(field).replace(" ", "")
    if not path:
        raise UnsupportedConditionError("a field has no name; name one")
    return path


def _expanded(value: SigmaExpansion) -> list[Any]:
    """Return the spellings of a value."""
    for each in value.values:
        if isinstance(each, SigmaString) and all(isinstance(part, SpecialChars) for part in each.s):
            # At one of the offsets a single byte is in no whole character of Base64: any text would match.
            raise UnsupportedConditionError("a value of one byte is too short for base64offset; give two or more")
    return list(value.values)


def _selection(node: Any) -> str | None:  # noqa: ANN401
    """Return the name of the selection that a node is the whole of: pySigma keeps it in the chain of parents."""
    parent = getattr(node, "parent", None)
    while parent is not None and not isinstance(parent, ConditionItem):
        parent = parent.parent
    return parent.identifier if isinstance(parent, ConditionIdentifier) else None


def _value_test(value: Any) -> ValueTest:  # noqa: ANN401, C901, PLR0911  one case a type
    match value:
        case SigmaString():
            return _text_test(value.s, cased=isinstance(value, SigmaCasedString))
        case SigmaTimestampPart():
            return CompareTest("eq", float(value.number), value.timestamp_part.name.lower())  # type: ignore[arg-type]
        case SigmaNumber():
            return NumberTest(value.number)
        case SigmaBool():
            return BoolTest(value.boolean)
        case SigmaNull():
            return NullTest()
        case SigmaExists():
            return ExistsTest(bool(value.exists))
        case SigmaRegularExpression():
            return _regex_test(value)
        case SigmaCIDRExpression():
            return CidrTest(_network(value.network))
        case SigmaCompareExpression():
            return _compare_test(value)
        case SigmaFieldReference():
            cased = isinstance(value.ends_with, Cased)
            return FieldRefTest(_path(value.field), bool(value.starts_with), bool(value.ends_with), cased=cased)
        case _:
            raise UnsupportedConditionError(f"values of type {type(value).__name__} are not supported")


def _has_placeholder(value: Any) -> bool:  # noqa: ANN401
    text = value.regexp if isinstance(value, SigmaRegularExpression) else value
    return isinstance(text, SigmaString) and any(isinstance(part, Placeholder) for part in text.s)


def _text_test(parts: Iterable[Any], *, cased: bool) -> TextTest:
    read = list[str | tuple[()] | None]()
    for part in parts:
        if isinstance(part, SpecialChars):
            read.append(None if part is SpecialChars.WILDCARD_MULTI else ())
        else:
            read.append(str(part).replace(PERCENT, "%"))
    if () in read:
        _checked(wildcard_pattern(read))
    return TextTest(tuple(read), cased)


def _filled_text(value: SigmaString, parts: tuple[Any, ...]) -> TextTest:
    merged = list[Any]()
    for part in (each.text if isinstance(each, Literal) else each for each in parts):
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    return _text_test(merged, cased=isinstance(value, SigmaCasedString))


def _filled_regex(value: SigmaRegularExpression, parts: tuple[Any, ...]) -> RegexTest:
    pattern = "".join(
        re2.escape(part.text) if isinstance(part, Literal) else _REPEATS.get(part, part) for part in parts
    )
    return _flagged(pattern, value)


def _regex_test(value: SigmaRegularExpression) -> RegexTest:
    return _flagged(str(value.regexp), value)


def _network(network: Any) -> IPv4Network | IPv6Network:  # noqa: ANN401  of pySigma
    """Return a network; one of mapped v4 addresses is a v4 network, as an event's address is."""
    mapped = network.network_address.ipv4_mapped if network.version == 6 else None
    if mapped is not None and network.prefixlen >= _MAPPED_BITS:
        return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
    return ip_network(network)


def _flagged(pattern: str, value: SigmaRegularExpression) -> RegexTest:
    pattern = pattern.replace(PERCENT, "%")
    flags = "".join(sorted(_FLAGS[flag] for flag in value.flags))
    return RegexTest(_checked(f"(?{flags}){pattern}" if flags else pattern))


def _checked(pattern: str) -> str:
    try:
        compile_pattern(pattern)
    except PatternError as error:
        raise UnsupportedConditionError(str(error)) from error
    return pattern


def _compare_test(value: SigmaCompareExpression) -> CompareTest:
    operator = value.op.name.lower()
    if isinstance(value.number, SigmaTimestampPart):
        return CompareTest(operator, float(value.number.number), value.number.timestamp_part.name.lower())  # type: ignore[arg-type]
    return CompareTest(operator, value.number.number)  # type: ignore[arg-type]  # the enum has our names
