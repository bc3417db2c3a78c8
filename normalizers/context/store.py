"""The context store: rows in the order of the context log, and the lookups that enrichment makes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeVar

import msgspec

from normalizers.context.columns import TABLES
from normalizers.context.history import History
from normalizers.context.memo import Memo, keep
from normalizers.context.rows import ContextRows
from normalizers.context.schema import (
    Approval,
    Asset,
    Conduit,
    Identity,
    Location,
    Person,
    Row,
    Schedule,
    Vendor,
    Zone,
    identity_key,
)

T = TypeVar("T")
REMEMBERED = frozenset({"assets", "zones", "conduits", "locations", "schedules"})
"""Tables that come from files and seldom change: what is computed of them is remembered."""

MAX_DEPTH = 16
"""Levels of places inside places."""

Networks = dict[int, dict[int, list[str]]]
"""Prefix length to network number to ids of what lies there; IPv6 lengths are offset by 1000."""


class View:
    """The store as it was known at one time, for one moment.

    Args:
        store: All rows.
        known_ns: Rows learned later are not seen.
        time_ns: Rows must be valid then.
    """

    __slots__ = ("_memory", "_store", "known_ns", "time_ns")

    def __init__(self, store: ContextStore, known_ns: int, time_ns: int) -> None:
        self._store = store
        self.known_ns = known_ns
        self.time_ns = time_ns
        self._memory = store.memo.at(known_ns, time_ns)

    def known_at(self, known_ns: int) -> View:
        """Return the same moment as it was known at another time."""
        return View(self._store, known_ns, self.time_ns)

    def person(self, person_id: str) -> Person | None:
        """Return a person by id."""
        return self._store.people.find((person_id,), self.known_ns, self.time_ns)

    def identity(self, system: str, kind: str, value: str) -> Identity | None:
        """Return whose an account, badge or mail address is."""
        return self._store.identities.find(identity_key(system, kind, value), self.known_ns, self.time_ns)

    def asset(self, asset_id: str) -> Asset | None:
        """Return an asset by id."""
        return self._store.assets.find((asset_id,), self.known_ns, self.time_ns)

    def asset_named(self, name: str) -> Asset | None:
        """Return the asset that goes by an id, name, alias, host name or address, without case."""
        for asset_id in self._store.asset_names.get(name.lower(), ()):
            found = self.asset(asset_id)
            if found is not None:
                return found
        head, dot, _ = name.partition(".")
        return self.asset_named(head) if dot and not head.isdigit() and ":" not in head else None

    def assets_covering(self, portal_id: str) -> list[Asset]:
        """Return the cameras that cover a portal."""
        found = [self.asset(asset_id) for asset_id in self._store.covering.get(portal_id, ())]
        return [asset for asset in found if asset is not None and portal_id in (asset.covers or ())]

    def zone(self, zone_id: str) -> Zone | None:
        """Return a zone by id."""
        return self._store.zones.find((zone_id,), self.known_ns, self.time_ns)

    def zone_of_address(self, address: str) -> Zone | None:
        """Return the zone of the longest prefix that holds an address."""
        for zone_id in self._store.ids_at(self._store.zone_networks, address):
            found = self.zone(zone_id)
            if found is not None:
                return found
        return None

    def site_of_egress(self, address: str) -> Location | None:
        """Return the site whose own network leaves through an address."""
        for location_id in self._store.ids_at(self._store.egress_networks, address):
            found = self.location(location_id)
            if found is not None:
                return found
        return None

    def remembered(self, key: tuple[object, ...], compute: Callable[[], T]) -> T:
        """Return what was computed before under a key, or compute it.

        Args:
            key: Names what is computed, and all of the event that it is computed from.
            compute: Looks up in tables of `REMEMBERED` only.
        """
        try:
            found: T = self._memory[key]
        except KeyError:
            found = compute()
            keep(self._memory, key, found)
        except TypeError:
            # An event may name several.
            return self.remembered(tuple([tuple(part) if isinstance(part, list) else part for part in key]), compute)
        return found

    def conduits(self) -> list[Conduit]:
        """Return all conduits."""
        return self.remembered(("conduits",), self._conduits)

    def _conduits(self) -> list[Conduit]:
        found = [self._store.conduits.find(key, self.known_ns, self.time_ns) for key in self._store.conduits]
        return [conduit for conduit in found if conduit is not None]

    def location(self, location_id: str) -> Location | None:
        """Return a location by id."""
        return self._store.locations.find((location_id,), self.known_ns, self.time_ns)

    def portals_of(self, site: str) -> list[Location]:
        """Return the portals of a site."""

        def compute() -> list[Location]:
            found = [self._store.locations.find(key, self.known_ns, self.time_ns) for key in self._store.locations]
            return [each for each in found if each is not None and each.type == "portal" and each.site == site]

        return self.remembered(("portals", site), compute)

    def ancestors(self, location_id: str | None) -> list[Location]:
        """Return a location and what it lies in, innermost first."""

        def compute() -> list[Location]:
            chain = list[Location]()
            following = location_id
            while following is not None and len(chain) < MAX_DEPTH:
                location = self.location(following)
                if location is None:
                    break
                chain.append(location)
                following = location.parent
            return chain

        return self.remembered(("ancestors", location_id), compute)

    def schedule(self, name: str) -> list[Schedule]:
        """Return the windows of a schedule."""
        keys = [key for key in self._store.schedules if key[0] == name]
        found = [self._store.schedules.find(key, self.known_ns, self.time_ns) for key in keys]
        return [each for each in found if each is not None]

    def approvals(self) -> list[Approval]:
        """Return all approvals that are known."""
        found = [self._store.approvals.find(key, self.known_ns, self.time_ns) for key in self._store.approvals]
        return [approval for approval in found if approval is not None]

    def vendor(self, vendor_id: str) -> Vendor | None:
        """Return a vendor by id."""
        return self._store.vendors.find((vendor_id,), self.known_ns, self.time_ns)


class ContextStore:
    """All context tables with the indexes that lookups need.

    Attributes:
        memo: What lookups computed from the tables of `REMEMBERED`.
    """

    def __init__(self) -> None:
        self.people = History[Person](TABLES["people"])
        self.identities = History[Identity](TABLES["identities"])
        self.assets = History[Asset](TABLES["assets"])
        self.zones = History[Zone](TABLES["zones"])
        self.conduits = History[Conduit](TABLES["conduits"])
        self.locations = History[Location](TABLES["locations"])
        self.schedules = History[Schedule](TABLES["schedules"])
        self.approvals = History[Approval](TABLES["approvals"])
        self.vendors = History[Vendor](TABLES["vendors"])
        self.others = {name: History[Row](TABLES[name]) for name in ("lists", "exceptions", "tags")}
        self.asset_names = defaultdict[str, dict[str, None]](dict)
        self.covering = defaultdict[str, dict[str, None]](dict)
        self.zone_networks: Networks = {}
        self.egress_networks: Networks = {}
        self.memo = Memo()
        self._markers = defaultdict[str, list[tuple[int, int]]](list)

    def apply(self, rows: ContextRows) -> None:
        """Take one entry of the context log.

        Raises:
            msgspec.ValidationError: A row is not one of the table.
        """
        if rows.current_to_ns is not None:
            self._markers[rows.table].append((rows.known_at_ns, rows.current_to_ns))
        table = TABLES.get(rows.table)
        if table is None or (not rows.rows and not rows.replace):
            return
        parsed = [msgspec.convert(row, table.row) for row in rows.rows]
        if rows.table in REMEMBERED:
            self.memo.note(parsed, rows.known_at_ns)
        history = self.others.get(rows.table) or getattr(self, rows.table)
        history.add(parsed, rows.known_at_ns, replace=rows.replace)
        for row in parsed:
            self._index(row)

    def view(self, known_ns: int, time_ns: int) -> View:
        """Return the store as known at one time, for one moment."""
        return View(self, known_ns, time_ns)

    def current_since(self, table: str, time_ns: int) -> int | None:
        """Return when it became known that a fed table is complete up to a time; None while it is not known."""
        known = [known_ns for known_ns, current_to_ns in self._markers[table] if current_to_ns >= time_ns]
        return min(known, default=None)

    def current_to(self, table: str, known_ns: int) -> int | None:
        """Return up to when a fed table was known to be complete at a time."""
        return max((to for known, to in self._markers[table] if known <= known_ns), default=None)

    def ids_at(self, networks: Networks, address: str) -> list[str]:
        """Return the ids at an address, longest prefix first."""
        parsed = _parsed(address) if len(address) <= _LONGEST_ADDRESS else None
        if parsed is None:
            return []
        number, bits, base = int(parsed), parsed.max_prefixlen, 0 if parsed.version == 4 else 1000
        found = list[str]()
        for length in sorted((each for each in networks if (each >= 1000) == (base == 1000)), reverse=True):
            found.extend(networks[length].get(number >> (bits - length + base), ()))
        return found

    def _index(self, row: Row) -> None:
        match row:
            case Asset():
                names = (row.asset_id, row.name, *(row.aliases or ()), *(row.hostnames or ()))
                for name in (*names, *(row.ips or ()), *(row.macs or ())):
                    if name:
                        self.asset_names[name.lower()][row.asset_id] = None
                for portal in row.covers or ():
                    self.covering[portal][row.asset_id] = None
            case Zone():
                _index_networks(self.zone_networks, row.cidrs, row.zone_id)
            case Location():
                _index_networks(self.egress_networks, row.egress_ips, row.location_id)
            case _:
                pass


_LONGEST_ADDRESS = 64
"""Characters; a longer text is no address, and must not fill a memory of addresses."""


@lru_cache(maxsize=16_384)  # of at most 64 characters each: 4 MiB
def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None


def _index_networks(networks: Networks, cidrs: tuple[str, ...] | None, name: str) -> None:
    for cidr in cidrs or ():
        network = ip_network(cidr)
        base = 0 if network.version == 4 else 1000
        number = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
        ids = networks.setdefault(network.prefixlen + base, {}).setdefault(number, [])
        if name not in ids:
            ids.append(name)
