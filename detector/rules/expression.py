"""Conditions of words: ``failed_logon and (door_opened or badge_in) and not ticket``, over the rules of a correlation.

References:
    Sigma specification, draft 2.2.0: extended conditions of `temporal` and `temporal_ordered` (SEP 198, PR 205).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Literal

import msgspec

MAX_CHARS = 10_000
"""Length of a condition; a hundred UUIDs have below 4,000."""

MAX_NODES = 200
"""Names and operators of one condition."""

MAX_DEPTH = 20
"""Parentheses and `not` inside one another."""

_WORD = re.compile(r"""\s*(?:(?P<bracket>[()])|'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<word>[^\s()'"]+))""")
_OPERATORS = frozenset({"and", "or", "not"})


class RuleExpression(msgspec.Struct, frozen=True):
    """A condition over the rules that matched inside a window.

    Attributes:
        operator: What joins the parts; `rule` for a leaf.
        rule: Of a leaf: the rule's name as written, once resolved its id.
        parts: Operands; one for `not`, at least two for `and` and `or`.
    """

    operator: Literal["rule", "and", "or", "not"]
    rule: str = ""
    parts: tuple[RuleExpression, ...] = ()

    def holds(self, present: Collection[str]) -> bool:
        """Return whether the condition holds when exactly these rules matched."""
        if self.operator == "rule":
            return self.rule in present
        if self.operator == "not":
            return not self.parts[0].holds(present)
        held = (part.holds(present) for part in self.parts)
        return all(held) if self.operator == "and" else any(held)

    def rules(self) -> list[str]:
        """Return every rule that it names, in the order written, once each."""
        return list(dict.fromkeys(rule for rule, _ in _leaves(self, positive=True)))

    def wanted(self) -> list[str]:
        """Return the rules whose match can make it true, in the order written: those under an even number of `not`."""
        return list(dict.fromkeys(rule for rule, positive in _leaves(self, positive=True) if positive))

    def unwanted(self) -> list[str]:
        """Return the rules whose match can make it false, in the order written."""
        return list(dict.fromkeys(rule for rule, positive in _leaves(self, positive=True) if not positive))

    def resolved(self, resolve: Callable[[str], str]) -> RuleExpression:
        """Return it with each name replaced."""
        rule = resolve(self.rule) if self.operator == "rule" else ""
        return RuleExpression(self.operator, rule, tuple(part.resolved(resolve) for part in self.parts))


def parse_expression(text: str) -> RuleExpression:
    """Parse a condition: ``not`` binds closer than ``and``, that closer than ``or``; operators in either case.

    A name is what stands between operators and parentheses, spaces and ``-`` included; one that holds an operator's
    word or a parenthesis is quoted.

    Raises:
        ValueError: It cannot be understood; the message says what and what instead.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"the condition is longer than {MAX_CHARS} characters; join fewer rules")
    parser = _Parser(_tokens(text))
    found = parser.either(0)
    parser.end()
    return found


def _leaves(expression: RuleExpression, *, positive: bool) -> Iterator[tuple[str, bool]]:
    """Yield each rule with whether its match helps: whether it stands under an even number of `not`."""
    if expression.operator == "rule":
        yield expression.rule, positive
    for part in expression.parts:
        yield from _leaves(part, positive=positive != (expression.operator == "not"))


Token = tuple[str, str]
"""What it is (an operator, a parenthesis or `rule`), and its text."""


def _tokens(text: str) -> list[Token]:
    tokens = list[Token]()
    at, end = 0, len(text.rstrip())
    words = list[str]()
    while at < end:
        found = _WORD.match(text, at)
        if found is None:
            raise ValueError(f"the condition has a quotation mark without an end: {text[at:].strip()[:40]!r}; close it")
        at = found.end()
        word = found["word"]
        if word is not None and word.lower() not in _OPERATORS:
            words.append(word)
            continue
        _flush(words, tokens)
        quoted = found["single"] if found["single"] is not None else found["double"]
        tokens.append(("rule", quoted) if quoted is not None else ((word or found["bracket"]).lower(), word or ""))
    _flush(words, tokens)
    if len(tokens) > MAX_NODES:
        raise ValueError(f"the condition has more than {MAX_NODES} names and operators; join fewer rules")
    return tokens


def _flush(words: list[str], tokens: list[Token]) -> None:
    if words:
        tokens.append(("rule", " ".join(words)))
        words.clear()


class _Parser:
    """Recursive descent over at most `MAX_NODES` tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def either(self, depth: int) -> RuleExpression:
        return self._joined("or", lambda: self._joined("and", lambda: self._one(depth)))

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise ValueError(f"the condition goes on with {self._here()} where `and` or `or` must stand")

    def _joined(self, operator: Literal["and", "or"], part: Callable[[], RuleExpression]) -> RuleExpression:
        parts = [part()]
        while self._take(operator):
            parts.append(part())
        return parts[0] if len(parts) == 1 else RuleExpression(operator, parts=tuple(parts))

    def _one(self, depth: int) -> RuleExpression:
        if depth > MAX_DEPTH:
            raise ValueError(f"the condition is nested more than {MAX_DEPTH} deep; write it flatter")
        if self._take("not"):
            return RuleExpression("not", parts=(self._one(depth + 1),))
        if self._take("("):
            inner = self.either(depth + 1)
            if not self._take(")"):
                raise ValueError(f"the condition has {self._here()} where a parenthesis must close; add `)`")
            return inner
        if self._at == len(self._tokens) or self._tokens[self._at][0] != "rule":
            raise ValueError(f"the condition has {self._here()} where the name or id of a rule must stand")
        self._at += 1
        return RuleExpression("rule", self._tokens[self._at - 1][1])

    def _take(self, kind: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][0] == kind:
            self._at += 1
            return True
        return False

    def _here(self) -> str:
        if self._at == len(self._tokens):
            return "its end"
        kind, text = self._tokens[self._at]
        return f"{text or kind!r}" if kind != "rule" else f"the name {text!r}"
