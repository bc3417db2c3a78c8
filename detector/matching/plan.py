"""How the rules of one log source are found for an event: tables and scanners of anchors, and checks of the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from detector.matching.anchors import Anchor, need_of
from detector.matching.code import Check, CodeWriter
from detector.matching.sample import Sample, framed
from detector.matching.scanner import Scanner, ScannerName, scanner_for
from detector.matching.terms import KEYWORD, Tree

if TYPE_CHECKING:
    from collections.abc import Mapping

STEP = 200
"""Rules planned between two pauses."""


class LiteralIndex:
    """Literals to be found in texts, with the separators that frame them.

    Attributes:
        groups: Group of each literal.
    """

    def __init__(self, found: Iterable[tuple[str, int]], scanner: ScannerName) -> None:
        pairs = list(dict.fromkeys(found))
        self.groups = [group for _, group in pairs]
        self._literals = [literal for literal, _ in pairs]
        self._name: ScannerName = scanner
        self._scanner: Scanner | None = None

    @property
    def scanner(self) -> Scanner:
        """Finds the literals; made when first asked for."""
        if self._scanner is None:
            self._scanner = scanner_for(self._literals, self._name)
        return self._scanner


class FieldPlan(msgspec.Struct):
    """Anchors in one field.

    Attributes:
        exact: Folded value to group.
        values: The keys of `exact`.
        index: Other literals, keywords among them; None when there are none.
    """

    exact: dict[str, int] = {}
    values: frozenset[str] = frozenset()
    index: LiteralIndex | None = None


class Group(msgspec.Struct):
    """Rules that the same anchor brings up.

    Attributes:
        rules: Their numbers.
        check: Checks what the anchor did not prove; made when first needed.
        paths: Fields that the rules read; worked out when first needed.
    """

    rules: tuple[int, ...]
    check: Check | None = None
    paths: frozenset[str] | None = None


class Plan:
    """Anchors and checks of one log source.

    Args:
        sample: What the stream looks like.
        scanner: Which scanner to use.
        reads: Fields that some rule reads.

    Attributes:
        fields: Field to its anchors.
        keywords: Literals to be found in any value; None when there are none.
        present: Field to the group that its presence brings up.
        always: Group that every event brings up; None when there is none.
        groups: All groups.
        reads: As given, with `KEYWORD` for a rule that reads all values.
        has_keywords: Some rule does.
        heads: Paths below which some rule looks into objects.
        skip: Batches for which a column is not tried for repeats.
    """

    def __init__(self, sample: Sample, scanner: ScannerName, reads: frozenset[str]) -> None:
        self.fields: dict[str, FieldPlan] = {}
        self.keywords: LiteralIndex | None = None
        self._other: FieldPlan | None = None
        self.present: dict[str, int] = {}
        self.always: int | None = None
        self.groups: list[Group] = []
        self.reads = reads
        self.has_keywords = KEYWORD in reads
        self.heads = _heads(reads)
        self.skip: dict[str, int] = {}
        self._scanner: ScannerName = scanner
        self._sample = sample
        self._writer = CodeWriter(sample, scanner)
        self._rest: dict[int, Tree | None] = {}
        self._known: dict[tuple[int, ...], int] = {}

    def steps(self, rules: Sequence[tuple[int, Tree]]) -> Iterator[None]:
        """Plan rules, pausing now and then; the plan is ready when the iterator ends.

        Args:
            rules: Their numbers and trees.
        """
        anchored = dict[Anchor, list[int]]()
        always = list[int]()
        for position, (number, tree) in enumerate(rules):
            need = need_of(tree, self._sample)
            self._rest[number] = need.rest
            if need.anchors is None:
                always.append(number)
            for anchor in need.anchors or ():
                anchored.setdefault(anchor, []).append(number)
            if position % STEP == STEP - 1:
                yield
        yield from self._file(anchored, always)

    def field_of(self, path: str) -> FieldPlan | None:
        """Return the anchors to look for in a field: its own, and keywords."""
        return self.fields.get(path, self._other)

    def check_of(self, group: Group) -> Check:
        """Return a group's check, making it when it is first needed."""
        if group.check is None:
            group.check = self._writer.check([(number, self._rest[number]) for number in group.rules])
        return group.check

    def _file(self, anchored: Mapping[Anchor, list[int]], always: list[int]) -> Iterator[None]:
        literals = dict[str, dict[str, int]]()
        present = dict[str, list[int]]()
        for (path, kind, literal), numbers in anchored.items():
            if kind == "exists":
                present.setdefault(path, []).extend(numbers)
                continue
            group = self._group(numbers)
            if kind == "equal":
                self._field(path).exact[literal] = group
            else:
                literals.setdefault(path, {})[framed(path, kind, literal)] = group
        always.extend(present.pop(KEYWORD, ()))
        self.present = {path: self._group(numbers) for path, numbers in present.items()}
        self.always = self._group(always) if always else None
        keywords = literals.pop(KEYWORD, {}).items()
        if keywords:
            self.keywords = LiteralIndex(keywords, self._scanner)
            self._other = FieldPlan(index=self.keywords)
        for path, found in literals.items():
            # Keywords are found in the same pass, so that no text is read twice.
            self._field(path).index = LiteralIndex((*found.items(), *keywords), self._scanner)
        for path, field in self.fields.items():
            field.values = frozenset(field.exact)
            field.index = field.index or self.keywords
            if self._sample.has(path) and field.index is not None:  # others are made should the field turn up
                _ = field.index.scanner
                yield

    def _field(self, path: str) -> FieldPlan:
        return self.fields.setdefault(path, FieldPlan())

    def _group(self, numbers: Sequence[int]) -> int:
        key = tuple(sorted(set(numbers)))
        if key not in self._known:
            self._known[key] = len(self.groups)
            self.groups.append(Group(key))
        return self._known[key]


def _heads(paths: Iterable[str]) -> frozenset[str]:
    """Return the paths above others: `a` and `a.b` of `a.b.c`."""
    heads = set[str]()
    for path in paths:
        parts = path.split(".")
        heads.update(".".join(parts[:length]) for length in range(1, len(parts)))
    return frozenset(heads)
