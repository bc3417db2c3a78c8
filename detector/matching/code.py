"""Functions that check the rest of some rules on one event of a batch, made of syntax nodes.

No source text is put together: what a rule says enters as constants, so nothing in it can become code.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from types import CodeType, FunctionType
from typing import Any as Anything
from typing import NamedTuple

from detector.matching.evaluator import compile_condition
from detector.matching.literals import needed_literals
from detector.matching.sample import Sample
from detector.matching.scanner import ScannerName, scanner_for
from detector.matching.terms import All, Any, No, Term, Terms, Test, Tree
from detector.matching.values import scalar_test
from detector.rules.condition import ExistsTest

Check = Callable[
    [Mapping[str, Anything], Mapping[str, Anything], Sequence[Anything], Iterable[int], Callable[[Anything], None]],
    None,
]
"""Takes columns of folded text, columns of values, events, some rows and what to call with (row, rule)."""

_MANY = 10
"""Alternatives above which a scanner is faster than one search each."""

_ARGUMENTS = ("folded", "values", "events", "rows", "found")


class _Weighed(NamedTuple):
    node: ast.expr
    cost: float
    chance: float


class CodeWriter:
    """Writes the functions of one plan; constants are shared between them."""

    def __init__(self, sample: Sample, scanner: ScannerName, terms: Terms) -> None:
        self._sample = sample
        self._known = terms
        self._scanner: ScannerName = scanner
        self._constants: dict[str, Anything] = {"__builtins__": {}}
        self._names: dict[Hashable, str] = {}

    def check(self, rules: Sequence[tuple[int, Tree | None]]) -> Check:
        """Return a function that reports those rules whose rest holds."""
        each: list[ast.stmt] = [self._statement(number, rest) for number, rest in rules]
        body: list[ast.stmt] = [ast.For(ast.Name("at", ast.Store()), _name("rows"), each, [])]
        arguments = ast.arguments(
            posonlyargs=[], args=[ast.arg(name) for name in _ARGUMENTS], kwonlyargs=[], kw_defaults=[], defaults=[]
        )
        function = ast.FunctionDef("check", arguments, body, [])
        if sys.version_info >= (3, 12):
            function.type_params = []
        module = ast.fix_missing_locations(ast.Module([function], []))
        code = compile(module, "<rules>", "exec")
        inner = next(constant for constant in code.co_consts if isinstance(constant, CodeType))
        return FunctionType(inner, self._constants)

    def _statement(self, number: int, rest: Tree | None) -> ast.stmt:
        pair = ast.Tuple([_name("at"), ast.Constant(number)], ast.Load())
        report = ast.Expr(_call(_name("found"), pair))
        return report if rest is None else ast.If(self._tree(rest).node, [report], [])

    def _tree(self, tree: Tree) -> _Weighed:
        match tree:
            case Term():
                return self._alternatives([tree])
            case Test():
                return self._test(tree)
            case No(part):
                inner = self._tree(part)
                return _Weighed(ast.UnaryOp(ast.Not(), inner.node), inner.cost, 1 - inner.chance)
            case All(parts):
                return _joined(ast.And(), [self._tree(part) for part in parts])
            case Any(parts):
                return self._any(parts)

    def _any(self, parts: Sequence[Tree]) -> _Weighed:
        groups = dict[tuple[str, str], list[Term]]()
        others = list[_Weighed]()
        for part in parts:
            if isinstance(part, Term):
                groups.setdefault((part.path, part.kind), []).append(part)
            else:
                others.append(self._tree(part))
        return _joined(ast.Or(), [*others, *(self._alternatives(group) for group in groups.values())])

    def _alternatives(self, terms: list[Term]) -> _Weighed:
        """Write terms of one field and kind, of which any will do."""
        term = terms[0]
        literals = [each.literal for each in terms]
        chance = min(1.0, sum(map(self._sample.chance, terms)))
        text = _column("folded", term.path)
        match term.kind:
            case "equal":
                several = ast.Compare(text, [ast.In()], [_literal(frozenset(literals))])
                node = several if len(literals) > 1 else ast.Compare(text, [ast.Eq()], [ast.Constant(literals[0])])
                return _Weighed(node, 1.0, chance)
            case "prefix" | "suffix":
                method = ast.Attribute(text, "startswith" if term.kind == "prefix" else "endswith", ast.Load())
                wanted = tuple(literals) if len(literals) > 1 else literals[0]
                return _Weighed(_call(method, _literal(wanted)), 1.5 + len(literals) / 10, chance)
            case _:
                return _Weighed(self._within(text, literals), 1.0 + min(len(literals), _MANY), chance)

    def _within(self, text: ast.expr, literals: list[str]) -> ast.expr:
        if len(literals) == 1:
            return ast.Compare(ast.Constant(literals[0]), [ast.In()], [text])
        if len(literals) > _MANY:
            return _call(self._constant(("within", *literals), lambda: self._member(literals)), text)
        kept = ast.NamedExpr(ast.Name("text", ast.Store()), text)
        return ast.BoolOp(
            ast.Or(),
            [
                ast.Compare(ast.Constant(literal), [ast.In()], [kept if number == 0 else _name("text")])
                for number, literal in enumerate(literals)
            ],
        )

    def _member(self, literals: Sequence[str]) -> Callable[[str], bool]:
        scanner = scanner_for(literals, range(len(literals)), self._scanner)
        return lambda text: bool(scanner.find(text))

    def _test(self, test: Test) -> _Weighed:
        leaf = test.leaf
        value = _column("values", test.path)
        event = ast.Subscript(_name("events"), _name("at"), ast.Load())
        match test.kind:
            case "null":
                return _Weighed(ast.Compare(value, [ast.Is()], [ast.Constant(None)]), 1.0, 0.5)
            case "exists":
                wanted = isinstance(leaf.test, ExistsTest) and leaf.test.present
                operator = ast.In() if wanted else ast.NotIn()
                return _Weighed(ast.Compare(ast.Constant(test.path), [operator], [event]), 1.0, 0.5)
            case "scalar":
                passes = self._constant(("scalar", leaf.test), lambda: scalar_test(leaf.test))
                return _Weighed(_conjunction([*self._guards(test), _call(passes, value)]), 3.0, 0.1)
            case _:
                holds = self._constant(("other", leaf), lambda: compile_condition(leaf))
                return _Weighed(_conjunction([*self._guards(test), _call(holds, event)]), 8.0, 0.3)

    def _guards(self, test: Test) -> list[ast.expr]:
        """Write searches for literals without which an expensive test cannot pass."""
        single = [next(iter(each)) for each in needed_literals(test.leaf.test) if len(each) == 1]
        single.sort(key=lambda each: (self._sample.chance(self._known.of(test.path, "within", each)), -len(each)))
        text = _column("folded", test.path)
        return [ast.Compare(ast.Constant(each), [ast.In()], [text]) for each in single[:2]]

    def _constant(self, key: Hashable, make: Callable[[], Anything]) -> ast.expr:
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"constant_{len(self._names)}"
            self._constants[name] = make()
        return _name(name)


def _joined(operator: ast.boolop, parts: list[_Weighed]) -> _Weighed:
    """Order the parts so that the cheapest way to an answer comes first."""
    is_and = isinstance(operator, ast.And)
    parts.sort(key=lambda each: each.cost / max(1e-6, 1 - each.chance if is_and else each.chance))
    cost, reached = 0.0, 1.0
    for part in parts:
        cost += reached * part.cost
        reached *= part.chance if is_and else 1 - part.chance
    node = parts[0].node if len(parts) == 1 else ast.BoolOp(operator, [part.node for part in parts])
    return _Weighed(node, cost, reached if is_and else 1 - reached)


def _conjunction(nodes: list[ast.expr]) -> ast.expr:
    return nodes[0] if len(nodes) == 1 else ast.BoolOp(ast.And(), nodes)


def _name(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _literal(value: Anything) -> ast.expr:  # noqa: ANN401
    """Write a constant of any kind that the compiler takes."""
    return ast.Constant(value)


def _call(function: ast.expr, argument: ast.expr) -> ast.expr:
    return ast.Call(function, [argument], [])


def _column(table: str, path: str) -> ast.expr:
    column = ast.Subscript(_name(table), ast.Constant(path), ast.Load())
    return ast.Subscript(column, _name("at"), ast.Load())
