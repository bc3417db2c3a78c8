"""Which log source an event belongs to: a table of dataset and, where needed, values of one field."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from detector.rules.bundled import bundled_rules
from detector.rules.model import LogSource


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    dataset: str
    category: str | None = None
    product: str | None = None
    service: str | None = None
    when: dict[str, list[str]] = {}


class LogSourceMap:
    """Rows in the order of the table; the first that fits wins."""

    def __init__(self, rows: list[_Row]) -> None:
        self._rows: dict[str, list[tuple[tuple[tuple[str, frozenset[str]], ...], LogSource]]] = {}
        for row in rows:
            when = tuple((path, frozenset(values)) for path, values in row.when.items())
            self._rows.setdefault(row.dataset, []).append((when, LogSource(row.category, row.product, row.service)))

    @staticmethod
    def load(path: Path) -> LogSourceMap:
        """Read a table.

        Raises:
            msgspec.ValidationError: It has another shape.
        """
        return LogSourceMap(msgspec.yaml.decode(path.read_bytes(), type=list[_Row]))

    @staticmethod
    @cache
    def bundled() -> LogSourceMap:
        """Return the table that comes with the rules."""
        return LogSourceMap.load(bundled_rules() / "logsources.yml")

    def of(self, dataset: str, fields: Mapping[str, object]) -> LogSource | None:
        """Return the log source of an event; None when the table does not know the dataset: any rule may fit."""
        for when, logsource in self._rows.get(dataset, ()):
            if all(str(fields.get(path)) in values for path, values in when):
                return logsource
        return None

    def possible(self, dataset: str) -> list[LogSource]:
        """Return every log source that events of a dataset may have; empty when the table does not know it."""
        return [logsource for _, logsource in self._rows.get(dataset, ())]


def contradicts(rule: LogSource, event: LogSource) -> bool:
    """Return whether a part that both name differs; a rule is skipped only then."""
    return (
        (rule.category is not None and event.category is not None and rule.category != event.category)
        or (rule.product is not None and event.product is not None and rule.product != event.product)
        or (rule.service is not None and event.service is not None and rule.service != event.service)
    )
