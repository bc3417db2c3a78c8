"""Compiles a condition tree to one function of an event."""

from __future__ import annotations

from collections.abc import Callable

from detector.matching.fields import Fields
from detector.matching.values import ScalarTest, fold, regex_test, scalar_test, text_of, text_test
from detector.rules.condition import (
    And,
    Condition,
    ExistsTest,
    FieldRefTest,
    FieldTest,
    KeywordTest,
    Not,
    NullTest,
    Or,
    RegexTest,
    TextTest,
)

Predicate = Callable[[Fields], bool]


def compile_condition(condition: Condition) -> Predicate:
    """Return a function that tells whether an event meets a condition."""
    match condition:
        case And(parts):
            return _all([compile_condition(part) for part in parts])
        case Or(parts):
            return _any([compile_condition(part) for part in parts])
        case Not(part):
            inner = compile_condition(part)
            return lambda fields: not inner(fields)
        case FieldTest():
            return _field_predicate(condition)
        case KeywordTest(test):
            return _keyword_predicate(test)


def _all(parts: list[Predicate]) -> Predicate:
    if len(parts) == 1:
        return parts[0]

    def holds(fields: Fields) -> bool:
        for part in parts:  # noqa: SIM110  a generator costs twice as much here
            if not part(fields):
                return False
        return True

    return holds


def _any(parts: list[Predicate]) -> Predicate:
    if len(parts) == 1:
        return parts[0]

    def holds(fields: Fields) -> bool:
        for part in parts:  # noqa: SIM110  a generator costs twice as much here
            if part(fields):
                return True
        return False

    return holds


def _field_predicate(condition: FieldTest) -> Predicate:
    path = condition.field_path
    match condition.test:
        case NullTest():
            return lambda fields: _is_null(fields.get(path))
        case ExistsTest(present):
            return lambda fields: (path in fields) is present
        case FieldRefTest():
            return _reference_predicate(path, condition.test)
        case test:
            return _value_predicate(path, scalar_test(test))


def _value_predicate(path: str, test: ScalarTest) -> Predicate:
    def holds(fields: Fields) -> bool:
        value = fields.get(path)
        if value is None:
            return False
        if isinstance(value, list):
            return any(each is not None and test(each) for each in value)
        return test(value)

    return holds


def _is_null(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(each is None for each in value))


def _reference_predicate(path: str, test: FieldRefTest) -> Predicate:
    def read(fields: Fields, name: str) -> list[str]:
        value = fields.get(name)
        texts = [text_of(each) for each in (value if isinstance(value, list) else [value])]
        return [text if test.cased else fold(text) for text in texts if text is not None]

    def holds(fields: Fields) -> bool:
        others = read(fields, test.field_path)
        return any(_refers(text, other, test) for text in read(fields, path) for other in others)

    return holds


def _refers(text: str, other: str, test: FieldRefTest) -> bool:
    if test.starts and test.ends:
        return other in text
    if test.starts:
        return text.startswith(other)
    if test.ends:
        return text.endswith(other)
    return text == other


def _keyword_predicate(test: object) -> Predicate:
    if isinstance(test, TextTest):
        scalar = text_test(test, anchored=False)
    elif isinstance(test, RegexTest):
        scalar = regex_test(test.pattern)
    else:
        scalar = scalar_test(test)  # type: ignore[arg-type]  # a NumberTest

    def holds(fields: Fields) -> bool:
        for value in fields.values():
            if isinstance(value, list):
                if any(scalar(each) for each in value):
                    return True
            elif scalar(value):
                return True
        return False

    return holds
