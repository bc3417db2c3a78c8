"""How the rules of one log source are found for an event: tables and scanners of anchors, and checks of the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from detector.matching.anchors import Way, rest_of
from detector.matching.code import Check, CodeWriter
from detector.matching.columns import Folded, Values
from detector.matching.fields import unspaced
from detector.matching.group import Found, Group
from detector.matching.outcomes import Outcomes
from detector.matching.sample import Sample
from detector.matching.scanner import Scanner, ScannerName, scanner_for
from detector.matching.terms import KEYWORD, Term, Terms, Tree

if TYPE_CHECKING:
    from collections.abc import Mapping

_TERM = 200
_GROUP = 1_024
_CHECKED = 80
"""Bytes of a term's cost and its place in tables, of a group with its check, and of a part checked, as measured."""

Literals = Collection[tuple[str, int]]
"""Framed literals, each with its group."""

STEP = 200
"""Rules planned between two pauses."""


class LiteralIndex:
    """Literals to be found in texts, with the separators that frame them, each with its group."""

    def __init__(self, found: Literals, scanner: ScannerName) -> None:
        pairs = list(dict.fromkeys(found))
        self._groups = [group for _, group in pairs]
        self._literals = [literal for literal, _ in pairs]
        self._name: ScannerName = scanner
        self._scanner: Scanner | None = None

    @property
    def bytes(self) -> int:
        """Memory of the scanner, about."""
        return 0 if self._scanner is None else self._scanner.bytes

    @property
    def scanner(self) -> Scanner:
        """Finds the groups of the literals; made when first asked for."""
        if self._scanner is None:
            self._scanner = scanner_for(self._literals, self._groups, self._name)
        return self._scanner


class FieldPlan(msgspec.Struct):
    """Anchors in one field.

    Attributes:
        exact: Folded value to group.
        values: The keys of `exact`.
        indexes: Other literals, and keywords.
    """

    exact: dict[str, int] = {}
    values: frozenset[str] = frozenset()
    indexes: tuple[LiteralIndex, ...] = ()


class Findable(msgspec.Struct, frozen=True):
    """A rule as plans see it.

    Attributes:
        number: Its number.
        tree: When it matches.
        ways: Ways to find it; none: it is tried on every event.
        reads: Fields that it reads.
        parts: Tests and operators of its condition.
    """

    number: int
    tree: Tree
    ways: tuple[Way, ...]
    reads: frozenset[str]
    parts: int = 1


class Plan:
    """Anchors and checks of one log source.

    Args:
        sample: What the stream looks like.
        scanner: Which scanner to use.
        terms: Those of the rules.

    Attributes:
        fields: Field to its anchors.
        keywords: Literals to be found in any value; None when there are none.
        present: Field to the group that its presence brings up.
        groups: All groups.
        outcomes: What some of them come to.
        reads: Fields that some rule reads, with `KEYWORD` for a rule that reads all values.
        has_keywords: Some rule does.
        heads: Paths below which some rule looks into objects.
        skip: Batches for which a column is not tried for repeats.
    """

    def __init__(self, rules: Sequence[Findable], sample: Sample, scanner: ScannerName, terms: Terms) -> None:
        self.fields: dict[str, FieldPlan] = {}
        self.keywords: LiteralIndex | None = None
        self._other = FieldPlan()
        self.present: dict[str, int] = {}
        self.groups: list[Group] = []
        self.outcomes = Outcomes(self.groups)
        self.reads = frozenset[str]().union(*(rule.reads for rule in rules))
        self.has_keywords = KEYWORD in self.reads
        self.heads = _heads(self.reads)
        self.skip: dict[str, int] = {}
        self._scanner: ScannerName = scanner
        self._sample = sample
        self._writer = CodeWriter(sample, scanner, terms)
        self._rules = {rule.number: rule for rule in rules}
        self._ways: dict[int, Way] = {}
        self._known: dict[tuple[int, ...], int] = {}
        self._checked = 0
        self._always: int | None = None

    def steps(self) -> Iterator[None]:
        """Plan the rules, pausing now and then; the plan is ready when the iterator ends."""
        anchored = dict[Term, list[int]]()
        always = list[int]()
        for position, (number, rule) in enumerate(self._rules.items(), 1):
            if rule.ways:
                way, _ = self._sample.cheapest(rule.ways)
                self._ways[number] = way
                for anchor in self._sample.anchors(way):
                    anchored.setdefault(anchor, []).append(number)
            else:
                always.append(number)
            if position % STEP == 0:
                yield
        yield from self._file(anchored, always)
        self._sample.forget_events()

    @property
    def bytes(self) -> int:
        """Its memory, about, were all checks made; scanners not made yet count for nothing."""
        indexes = {id(index): index for field in self.fields.values() for index in field.indexes}
        scanners = sum(index.bytes for index in indexes.values())
        found = len(self.groups) * _GROUP + self._checked * _CHECKED + self.outcomes.bytes
        return len(self._sample) * _TERM + found + scanners

    def renames(self, names: Iterable[str]) -> bool:
        """Return whether some name has spaces that the name in a rule has not."""
        return any(" " in name and self._is_asked(unspaced(name)) for name in names)

    def _is_asked(self, path: str) -> bool:
        return path in self.reads or path in self.heads

    def field_of(self, path: str) -> FieldPlan:
        """Return the anchors to look for in a field: its own, and keywords."""
        return self.fields.get(path, self._other)

    def check_of(self, group: Group) -> Check:
        """Return a group's check, making it when it is first needed."""
        if group.check is None:
            rests = (
                None if group.is_proven else rest_of(self._rules[number].tree, self._ways.get(number))
                for number in group.rules
            )
            group.check = self._writer.check(list(zip(group.rules, rests, strict=True)))
        return group.check

    def always_of(self, names: Iterable[str]) -> int | None:
        """Return the group that every event with some fields brings up; None when there is none.

        What reads none of the fields holds for every such event or for none: that is found out once.
        """
        if self._always is None or not self._reads_of_always.isdisjoint(names):
            return self._always
        return self._always_without_fields

    @cached_property
    def _reads_of_always(self) -> frozenset[str]:
        rules = () if self._always is None else self.groups[self._always].rules
        return frozenset[str]().union(*(self._rules[number].reads for number in rules))

    @cached_property
    def _always_without_fields(self) -> int | None:
        if self._always is None or KEYWORD in self._reads_of_always:
            return self._always
        values, found = Values({}, 1), list[Found]()
        try:
            self.check_of(self.groups[self._always])(Folded(values, ({},)), values, ({},), (0,), found.append)
        except Exception:  # noqa: BLE001  the oracle tells which rule it was, event by event
            return self._always
        if not found:
            return None
        self.groups.append(Group(tuple(number for _, number in found), is_proven=True))
        return len(self.groups) - 1

    def _file(self, anchored: Mapping[Term, list[int]], always: list[int]) -> Iterator[None]:
        literals = dict[str, dict[str, int]]()
        for anchor, numbers in anchored.items():
            path, group = anchor.path, self._group(numbers)
            if anchor.kind == "present":
                self.present[path] = group
            elif anchor.kind == "equal":
                self._field(path).exact[anchor.literal] = group
            else:
                literals.setdefault(path, {})[anchor.framed] = group
        self._always = self._group(always) if always else None
        keywords = literals.pop(KEYWORD, {}).items()
        if keywords:
            self.keywords = LiteralIndex(keywords, self._scanner)
            self._other = FieldPlan(indexes=(self.keywords,))
        for path, found in literals.items():
            self._field(path).indexes = self._indexes(found.items(), keywords)
        for path, field in self.fields.items():
            field.values = frozenset(field.exact)
            field.indexes = field.indexes or self._other.indexes
            if self._sample.has(path):  # scanners of others are made should the field turn up
                for index in field.indexes:
                    _ = index.scanner
                    yield

    def _indexes(self, found: Literals, keywords: Literals) -> tuple[LiteralIndex, ...]:
        if self.keywords is None:
            return (LiteralIndex(found, self._scanner),)
        if len(found) < len(keywords):  # a copy of the keywords would cost more memory than another pass takes time
            return LiteralIndex(found, self._scanner), self.keywords
        return (LiteralIndex((*found, *keywords), self._scanner),)

    def _field(self, path: str) -> FieldPlan:
        field = self.fields.get(path)
        if field is None:
            field = self.fields[path] = FieldPlan()
        return field

    def _group(self, numbers: list[int]) -> int:
        key = tuple(numbers)
        group = self._known.get(key)
        if group is None:
            group = self._known[key] = len(self.groups)
            ways = map(self._ways.get, numbers)
            self.groups.append(Group(key, all(way is not None and way.proves_all for way in ways)))
            self._checked += sum(self._rules[number].parts for number in numbers)
        return group


def _heads(paths: Iterable[str]) -> frozenset[str]:
    """Return the paths above others: `a` and `a.b` of `a.b.c`."""
    heads = set[str]()
    for path in paths:
        parts = path.split(".")
        heads.update(".".join(parts[:length]) for length in range(1, len(parts)))
    return frozenset(heads)
