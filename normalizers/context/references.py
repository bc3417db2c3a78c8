"""Checks what the tables say of each other: dangling names, overlaps and cycles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import partial
from itertools import pairwise

import msgspec

from normalizers.context.columns import TABLES, Table, key_of
from normalizers.context.schema import Approval, Asset, Conduit, Identity, Location, Row, Schedule
from normalizers.errors import ContextFault

_FIRST_NS = -(2**63)
"""Before every time: a row without `valid_from`."""

_LAST_NS = 2**63 - 1
"""After every time: a row without `valid_to`."""


class PlacedRow(msgspec.Struct, frozen=True):
    """A row and where it stands.

    Attributes:
        path: File.
        line: Line or position in it.
        row: The row.
    """

    path: str
    line: int
    row: Row


Rows = dict[str, list[PlacedRow]]

_REFERENCES: tuple[tuple[str, str, str, str], ...] = (
    ("identities", "person_id", "people", "person_id"),
    ("people", "vendor", "vendors", "vendor_id"),
    ("assets", "zone", "zones", "zone_id"),
    ("assets", "location_id", "locations", "location_id"),
    ("assets", "covers", "assets", "asset_id"),
    ("locations", "parent", "locations", "location_id"),
    ("locations", "schedule", "schedules", "schedule"),
    ("conduits", "exception_id", "exceptions", "exception_id"),
    ("tags", "controller", "assets", "asset_id"),
)
"""(table, column, table it refers to, column there)."""

_SITES = ("people", "assets", "zones", "locations")
"""Tables whose `site` is a location of type site."""


def check_references(rows: Rows, faults: list[ContextFault]) -> None:
    """Add every fault between rows and between tables to `faults`."""
    for table, column, other, target in _REFERENCES:
        _check_names(rows, table, column, _names(rows, other, target), faults)
    for table in _SITES:
        _check_names(rows, table, "site", _sites(rows), faults)
    _check_conduit_ends(rows, faults)
    _check_ways(rows, faults)
    _check_validity(rows, faults)
    for table in rows:
        _check_overlaps(rows[table], partial(_keys, TABLES[table]), faults)
    _check_overlaps(rows.get("assets", []), _asset_names, faults)
    _check_location_cycles(rows.get("locations", []), faults)


def _keys(table: Table, row: Row) -> list[object]:
    return [key_of(table, row)]


def _sites(rows: Rows) -> set[str] | None:
    if "locations" not in rows:
        return None
    places = [placed.row for placed in rows["locations"] if isinstance(placed.row, Location)]
    return {place.location_id for place in places if place.type == "site"}


def _names(rows: Rows, table: str, column: str) -> set[str] | None:
    if table not in rows:
        return None
    return {getattr(placed.row, column) for placed in rows[table]}


def _check_names(rows: Rows, table: str, column: str, known: set[str] | None, faults: list[ContextFault]) -> None:
    """Report names that the other table does not hold; with no such table given nothing can be said."""
    if known is None:
        return
    for placed in rows.get(table, []):
        value = getattr(placed.row, column)
        names = value if isinstance(value, tuple) else (value,)
        missing = (name for name in names if name is not None and name not in known)
        faults.extend(_unknown_name(placed, column, name, known) for name in missing)


def _unknown_name(placed: PlacedRow, column: str, name: str, known: set[str]) -> ContextFault:
    close = get_close_matches(name, known, 1)
    advice = f"did you mean {close[0]!r}?" if close else "add it there, or leave the cell empty"
    return ContextFault(placed.path, placed.line, column, f"{name!r} is not in its table", advice)


def _check_ways(rows: Rows, faults: list[ContextFault]) -> None:
    """Report ways to places that are none."""
    places = [placed for placed in rows.get("locations", []) if isinstance(placed.row, Location)]
    known = {placed.row.location_id for placed in places if isinstance(placed.row, Location)}
    for placed in places:
        for way in (placed.row.travel or ()) if isinstance(placed.row, Location) else ():
            name = way.rpartition("=")[0].strip()
            if name not in known:
                faults.append(_unknown_name(placed, "travel", name, known))


def _check_conduit_ends(rows: Rows, faults: list[ContextFault]) -> None:
    zones = _names(rows, "zones", "zone_id")
    assets = _names(rows, "assets", "asset_id")
    for placed in rows.get("conduits", []):
        if not isinstance(placed.row, Conduit):
            continue
        for column, end in (("source", placed.row.source or "*"), ("destination", placed.row.destination or "*")):
            kind, colon, name = end.partition(":")
            known = {"asset": assets, "role": None}.get(kind) if colon else zones
            if colon and kind not in {"asset", "role"}:
                fault = f"{end!r} is no end", "write a zone, role:<role>, asset:<id> or *"
            elif end != "*" and known is not None and (name if colon else end) not in known:
                fault = f"{end!r} is not in its table", "add it there"
            else:
                continue
            faults.append(ContextFault(placed.path, placed.line, column, *fault))


def _check_validity(rows: Rows, faults: list[ContextFault]) -> None:
    for placed in (placed for table in rows.values() for placed in table):
        row = placed.row
        first, last = row.valid_from_ns, row.valid_to_ns
        if isinstance(row, Approval):
            first, last = row.window_from_ns, row.window_to_ns
        if first is not None and last is not None and first >= last:
            faults.append(ContextFault(placed.path, placed.line, "valid_to", "is not after valid_from"))
        if isinstance(row, Schedule) and row.start == row.end:
            faults.append(
                ContextFault(placed.path, placed.line, "end", "is the same as start", "write 00:00 and 24:00 for a day")
            )


def _check_overlaps(rows: list[PlacedRow], names: Callable[[Row], list[object]], faults: list[ContextFault]) -> None:
    """Report rows that say something of the same thing at the same time."""
    seen = defaultdict[object, list[PlacedRow]](list)
    for placed in rows:
        for name in names(placed.row):
            seen[name].append(placed)
    for name, group in seen.items():
        group.sort(key=lambda placed: _span(placed.row))
        for before, after in pairwise(group):
            if before.row is not after.row and _span(before.row)[1] > _span(after.row)[0]:
                faults.append(_overlap(name, before, after))


def _span(row: Row) -> tuple[int, int]:
    first = _FIRST_NS if row.valid_from_ns is None else row.valid_from_ns
    return first, _LAST_NS if row.valid_to_ns is None else row.valid_to_ns


def _overlap(name: object, before: PlacedRow, after: PlacedRow) -> ContextFault:
    text = " ".join(str(part) for part in name) if isinstance(name, tuple) else str(name)
    what = f"{text!r} is also said at row {before.line} for the same time"
    if isinstance(after.row, Identity) and isinstance(before.row, Identity):
        what += f" ({before.row.person_id} there, {after.row.person_id} here)"
    return ContextFault(after.path, after.line, "", what, "end the earlier row with valid_to, or drop one")


def _asset_names(row: Row) -> list[object]:
    """Name what vendors may call an asset; the same name at two sites is told apart by the source's site."""
    if not isinstance(row, Asset):
        return []
    written = (row.asset_id, row.name or "", *(row.hostnames or ()), *(row.aliases or ()))
    names = {("name", word.lower(), row.site) for word in written if word}
    return [*names, *(("address", ip, row.site) for ip in row.ips or ())]


def _check_location_cycles(rows: list[PlacedRow], faults: list[ContextFault]) -> None:
    parents = dict[str, str | None]()
    for placed in rows:
        if isinstance(placed.row, Location):
            parents[placed.row.location_id] = placed.row.parent
    faults.extend(
        ContextFault(placed.path, placed.line, "parent", "the place lies within itself")
        for placed in rows
        if isinstance(placed.row, Location) and placed.row.location_id in _ancestors(placed.row.location_id, parents)
    )


def _ancestors(location_id: str, parents: dict[str, str | None]) -> Iterator[str]:
    seen = set[str]()
    parent = parents.get(location_id)
    while parent is not None and parent not in seen:
        yield parent
        seen.add(parent)
        parent = parents.get(parent)
