"""How the rules of one log source are found for an event: tables and scanners of anchors, and checks of the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property

import msgspec

from detector.matching.anchors import Way, has_choice, rest_of
from detector.matching.code import Check, CodeWriter
from detector.matching.columns import Folded, Values
from detector.matching.fields import unspaced
from detector.matching.group import Found, Group
from detector.matching.outcomes import Outcomes
from detector.matching.sample import Excerpt, Sample
from detector.matching.scanner import Scanner, ScannerName, scanner_for
from detector.matching.terms import KEYWORD, Term, Terms, Tree

_TERM = 200
_GROUP = 1_024
_CHECKED = 80
"""Bytes of a term's cost and its place in tables, of a group with its check, and of a part checked, as measured."""

Literals = Collection[tuple[str, int]]
"""Framed literals, each with its group."""

STEP = 200
"""Rules planned between two pauses."""

MAX_LITERALS = 2_048
"""Literals of one index: Hyperscan takes 0.06 s for so many, and more than in proportion for more."""


class LiteralIndex:
    """Literals to be found in texts, with the separators that frame them, each with its group."""

    def __init__(self, found: Literals) -> None:
        self._groups = [group for _, group in found]
        self._literals = [literal for literal, _ in found]
        self._scanner: Scanner | None = None

    @property
    def bytes(self) -> int:
        """Memory of the scanner, about."""
        return 0 if self._scanner is None else self._scanner.bytes

    @property
    def scanner(self) -> Scanner:
        """Finds the groups of the literals; when none was made, one that is made in no time."""
        return self._scanner or self.make("ahocorasick")

    def make(self, name: ScannerName) -> Scanner:
        """Return the scanner, making it if there is none."""
        if self._scanner is None:
            self._scanner = scanner_for(self._literals, self._groups, name)
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
        rules: All of it.
        scanner: Which scanner to use.
        terms: Those of the rules.

    Attributes:
        fields: Field to its anchors.
        keywords: Literals to be found in any value.
        present: Field to the group that its presence brings up.
        groups: All groups.
        outcomes: What some of them come to.
        reads: Fields that some rule reads, with `KEYWORD` for a rule that reads all values.
        has_keywords: Some rule does.
        heads: Paths below which some rule looks into objects.
        skip: Batches for which a column is not tried for repeats.
    """

    def __init__(self, rules: Sequence[Findable], scanner: ScannerName, terms: Terms) -> None:
        self.fields: dict[str, FieldPlan] = {}
        self.keywords: tuple[LiteralIndex, ...] = ()
        self._other = FieldPlan()
        self.present: dict[str, int] = {}
        self.groups: list[Group] = []
        self.outcomes = Outcomes(self.groups)
        self.reads = frozenset[str]().union(*(rule.reads for rule in rules))
        self.has_keywords = KEYWORD in self.reads
        self.heads = _heads(self.reads)
        self.skip: dict[str, int] = {}
        self._scanner: ScannerName = scanner
        self._sample = Sample()
        self._writer = CodeWriter(self._sample, scanner, terms)
        self._rules = {rule.number: rule for rule in rules}
        self._left = self._rules.copy()
        self._anchored: dict[Term, list[int]] = {}
        self._everywhere: list[int] = []
        self._ways: dict[int, Way] = {}
        self._known: dict[tuple[int, ...], int] = {}
        self._checked = 0
        self._always: int | None = None

    def prepare(self) -> None:
        """Plan those rules for which there is nothing to choose: that takes no events."""
        for rule in [rule for rule in self._left.values() if not has_choice(rule.ways)]:
            self._anchor(rule)
        self._file()

    def steps(self, events: Sequence[Excerpt]) -> Iterator[None]:
        """Plan the rules that are left, pausing now and then; the plan is ready when the iterator ends.

        Args:
            events: What the stream looks like.
        """
        self._sample.see(events)
        for position, rule in enumerate(list(self._left.values()), 1):
            self._anchor(rule)
            if position % STEP == 0:
                yield
        self._file()
        for index in self._indexes_seen():
            yield
            index.make(self._scanner)
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

    def _anchor(self, rule: Findable) -> None:
        number = rule.number
        del self._left[number]
        if not rule.ways:
            self._everywhere.append(number)
            return
        way = self._ways[number] = self._sample.choose(rule.ways)
        for anchor in self._sample.anchors(way):
            self._anchored.setdefault(anchor, []).append(number)

    def _file(self) -> None:
        """Put what was anchored into tables, beside what is there."""
        literals = dict[str, dict[str, int]]()
        for anchor, numbers in self._anchored.items():
            path = anchor.path
            if anchor.kind == "present":
                self.present[path] = self._group(numbers, self.present.get(path))
            elif anchor.kind == "equal":
                exact = self._field(path).exact
                exact[anchor.literal] = self._group(numbers, exact.get(anchor.literal))
            else:
                literals.setdefault(path, {})[anchor.framed] = self._group(numbers)
        if self._everywhere:
            self._always = self._group(self._everywhere)
        self._anchored.clear()
        self._file_literals(literals)

    def _file_literals(self, literals: dict[str, dict[str, int]]) -> None:
        keywords = literals.pop(KEYWORD, {}).items()
        more = _indexes(keywords)
        for path in literals:
            self._field(path)
        for path, field in self.fields.items():
            found = literals.get(path, {}).items()
            if len(found) < len(keywords):  # a copy of the keywords would cost more memory than a pass takes time
                field.indexes += _indexes(found) + more
            else:
                field.indexes += _indexes((*found, *keywords))
            field.values = frozenset(field.exact)
        self.keywords += more
        self._other = FieldPlan(indexes=self.keywords)

    def _indexes_seen(self) -> Iterable[LiteralIndex]:
        """Return the indexes of the fields that the stream has."""
        fields = [self._other, *(field for path, field in self.fields.items() if self._sample.has(path))]
        return dict.fromkeys(index for field in fields for index in field.indexes)

    def _field(self, path: str) -> FieldPlan:
        field = self.fields.get(path)
        if field is None:
            field = self.fields[path] = FieldPlan(indexes=self.keywords)
        return field

    def _group(self, numbers: list[int], before: int | None = None) -> int:
        """Return the group of some rules, and of those that the same anchor brought up before."""
        key = tuple(numbers) if before is None else (*self.groups[before].rules, *numbers)
        group = self._known.get(key)
        if group is None:
            group = self._known[key] = len(self.groups)
            ways = map(self._ways.get, key)
            self.groups.append(Group(key, all(way is not None and way.proves_all for way in ways)))
            self._checked += sum(self._rules[number].parts for number in numbers)
        return group


def _indexes(found: Literals) -> tuple[LiteralIndex, ...]:
    """Return indexes that find some literals together, each small enough to be made at once."""
    pairs = list(dict.fromkeys(found))
    count = -(-len(pairs) // MAX_LITERALS)
    return tuple(LiteralIndex(pairs[start::count]) for start in range(count))


def _heads(paths: Iterable[str]) -> frozenset[str]:
    """Return the paths above others: `a` and `a.b` of `a.b.c`."""
    heads = set[str]()
    for path in paths:
        parts = path.split(".")
        heads.update(".".join(parts[:length]) for length in range(1, len(parts)))
    return frozenset(heads)
