"""From pySigma's syntax tree to the condition tree. Reads the tree's parts, never its printed form."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
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
from detector.rules.spelling import CASED, PERCENT

MAX_NODES = 50_000
"""Nodes of one condition; the largest public rule has below 5,000."""

_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}


class UnsupportedConditionError(Exception):
    """A condition that cannot be expressed; the message says what."""


def convert(node: Any) -> Condition:  # noqa: ANN401  pySigma's nodes have no common public type
    """Convert a parsed condition.

    Raises:
        UnsupportedConditionError: A placeholder is not resolved, or a value's type is unknown.
    """
    return _Converter().condition(node)


class _Converter:
    def __init__(self) -> None:
        self._nodes = 0

    def condition(self, node: Any) -> Condition:  # noqa: ANN401
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise UnsupportedConditionError(f"the condition has more than {MAX_NODES} parts")
        if isinstance(node, ConditionAND):
            return And(tuple(self.condition(each) for each in node.args))
        if isinstance(node, ConditionOR):
            return Or(tuple(self.condition(each) for each in node.args))
        if isinstance(node, ConditionNOT):
            return Not(self.condition(node.args[0]))
        if isinstance(node, ConditionFieldEqualsValueExpression):
            return self._field(str(node.field), node.value)
        if isinstance(node, ConditionValueExpression):
            return self._keyword(node.value)
        raise UnsupportedConditionError(f"{type(node).__name__} has no meaning here")

    def _field(self, path: str, value: Any) -> Condition:  # noqa: ANN401
        if isinstance(value, SigmaExpansion):
            return Or(tuple(self._field(path, each) for each in value.values))
        return FieldTest(path, _value_test(value))

    def _keyword(self, value: Any) -> Condition:  # noqa: ANN401
        if isinstance(value, SigmaExpansion):
            return Or(tuple(self._keyword(each) for each in value.values))
        test = _value_test(value)
        if isinstance(test, (TextTest, NumberTest, RegexTest)):
            return KeywordTest(test)
        raise UnsupportedConditionError(f"a keyword cannot be {type(value).__name__}; name a field")


def _value_test(value: Any) -> ValueTest:  # noqa: ANN401, C901, PLR0911  one case a type
    match value:
        case SigmaString():
            return _text_test(value)
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
            return CidrTest(ip_network(value.network))
        case SigmaCompareExpression():
            return _compare_test(value)
        case SigmaFieldReference():
            path = value.field.removeprefix(CASED)
            return FieldRefTest(path, bool(value.starts_with), bool(value.ends_with), cased=path != value.field)
        case _:
            raise UnsupportedConditionError(f"values of type {type(value).__name__} are not supported")


def _text_test(value: SigmaString) -> TextTest:
    parts = list[str | tuple[()] | None]()
    for part in value.s:
        if isinstance(part, Placeholder):
            raise UnsupportedConditionError(f"placeholder %{part.name}% is not resolved; add a pipeline that does")
        if isinstance(part, SpecialChars):
            parts.append(None if part is SpecialChars.WILDCARD_MULTI else ())
        else:
            parts.append(str(part).replace(PERCENT, "%"))
    return TextTest(tuple(parts), isinstance(value, SigmaCasedString))


def _regex_test(value: SigmaRegularExpression) -> RegexTest:
    # Its parts are never wildcards; the original text is what the author wrote.
    pattern = str(value.regexp.original)
    flags = "".join(sorted(_FLAGS[flag] for flag in value.flags))
    return RegexTest(f"(?{flags}){pattern}" if flags else pattern)


def _compare_test(value: SigmaCompareExpression) -> CompareTest:
    operator = value.op.name.lower()
    if isinstance(value.number, SigmaTimestampPart):
        return CompareTest(operator, float(value.number.number), value.number.timestamp_part.name.lower())  # type: ignore[arg-type]
    return CompareTest(operator, value.number.number)  # type: ignore[arg-type]  # the enum has our names
