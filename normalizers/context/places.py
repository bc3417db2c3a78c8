"""Hosts, doors, cameras and controllers to assets and places."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from normalizers.context.network import zone_fields, zone_of
from normalizers.context.schema import Asset, Location, Zone
from normalizers.context.store import View
from normalizers.event import EcsEvent, Value
from normalizers.source import SourceProfile

PRINCIPAL = (
    "physical.camera.id",
    "physical.camera.name",
    "physical.portal.id",
    "physical.portal.name",
    "ot.controller.id",
    "host.name",
    "host.ip",
    "observer.name",
)
"""Fields that name the asset an event is about, the most telling first."""


_SOURCE = ("source.ip", "source.address")
_DESTINATION = ("destination.ip", "convergence.session.target", "destination.address")


class Place(msgspec.Struct, frozen=True):
    """What is known of the principal or an end of an event: the same for every event that names it alike.

    Attributes:
        asset: The asset that it is.
        zone: Network zone that it lies in.
        fields: Fields that say so.
    """

    asset: Asset | None
    zone: Zone | None
    fields: dict[str, Value]

    @property
    def end(self) -> tuple[Zone | None, Asset | None]:
        """Its zone and asset, as conduits name them."""
        return self.zone, self.asset


_NOWHERE = Place(None, None, {})


class Places(msgspec.Struct, frozen=True):
    """The places of an event."""

    principal: Place
    source: Place
    destination: Place


def add_places(event: EcsEvent, profile: SourceProfile, view: View) -> Places:
    """Add assets, locations and zones of the principal, the source and the destination."""
    fields = event.fields
    places = Places(
        _principal(tuple(map(fields.get, PRINCIPAL)), profile.site, view),
        _end("source", tuple(map(fields.get, _SOURCE)), view),
        _end("destination", tuple(map(fields.get, _DESTINATION)), view),
    )
    for place in (places.principal, places.source, places.destination):
        fields.update(place.fields)
    if places.principal.asset is not None and "ot.controller.id" in fields:
        fields.setdefault("ot.controller.name", places.principal.asset.asset_id)
    _add_egress(fields, view)
    _add_exits(fields, view)
    return places


Named = tuple[Value, ...]
"""Values of some fields in their order; None where there is none."""


def _principal(names: Named, site: str | None, view: View) -> Place:
    def compute() -> Place:
        named = {path: value for path, value in zip(PRINCIPAL, names, strict=True) if value is not None}
        asset = _first_known(names, view)
        zone = zone_of(named.get("host.ip"), asset, view)
        fields = _place_fields("", view, asset, site) | zone_fields("host", zone)
        if asset is not None:
            fields |= _coverage(named, view, asset)
        return Place(asset, zone, fields)

    return view.remembered(("principal", site, *names), compute)


def _end(end: str, names: Named, view: View) -> Place:
    if not any(names):
        return _NOWHERE

    def compute() -> Place:
        asset = _first_known(names, view)
        zone = zone_of(names[0], asset, view)
        return Place(asset, zone, _place_fields(f"_{end}", view, asset, None) | zone_fields(end, zone))

    return view.remembered((end, *names), compute)


def _first_known(names: Named, view: View) -> Asset | None:
    for value in names:
        for name in value if isinstance(value, list) else (value,):
            if isinstance(name, str) and name:
                asset = view.asset_named(name)
                if asset is not None:
                    return asset
    return None


def _place_fields(suffix: str, view: View, asset: Asset | None, site: str | None) -> dict[str, Value]:
    fields = {} if asset is None else _asset_fields(f"convergence.asset{suffix}.", asset)
    return fields | _location_fields(f"convergence.location{suffix}.", view, asset, site)


def _asset_fields(prefix: str, asset: Asset) -> dict[str, Value]:
    values: dict[str, Value] = {
        "id": asset.asset_id,
        "name": asset.name,
        "role": asset.role,
        "status": asset.lifecycle,
        "criticality": asset.criticality,
        "safety_related": asset.safety_related,
        "owner": asset.owner,
        "owner_phone": asset.owner_phone,
        "zone": asset.zone,
        "shared": asset.shared,
        "covers": list(asset.covers) if asset.covers else None,
    }
    return {prefix + leaf: value for leaf, value in values.items() if value is not None}


def _location_fields(prefix: str, view: View, asset: Asset | None, site: str | None) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    chain = view.ancestors(asset.location_id or asset.asset_id) if asset is not None else []
    if chain:
        fields[prefix + "id"] = chain[0].location_id
        fields[prefix + "path"] = "/".join(each.location_id for each in reversed(chain))
        for kind in ("building", "room"):
            named = next((each for each in chain if each.type == kind), None)
            if named is not None:
                fields[prefix + kind] = named.location_id
        fields |= _way_fields(prefix, chain)
        site = next((each.site or each.location_id for each in chain if each.type == "site" or each.site), site)
    elif asset is not None and asset.site:
        site = asset.site
    if site is None:
        return fields
    fields[prefix + "site"] = site
    home = view.location(site)
    if home is not None and home.name:
        fields[prefix + "site_name"] = home.name
    if home is not None and prefix + "geo" not in fields:
        fields |= _way_fields(prefix, [home])
    zone = next((each.timezone for each in (*chain, home) if each is not None and each.timezone), None)
    if zone is not None:
        fields[prefix + "timezone"] = zone
    return fields


def _way_fields(prefix: str, chain: list[Location]) -> dict[str, Value]:
    """Return where a place lies, and the ways from it and from what it lies in as ``here|there|seconds``."""
    fields: dict[str, Value] = {}
    for each in chain:
        if each.latitude is not None and each.longitude is not None:
            fields[prefix + "geo"] = f"{each.latitude:g},{each.longitude:g}"
            break
    ways = [
        f"{each.location_id}|{there.strip()}|{seconds.strip()}"
        for each in chain
        for there, _, seconds in (way.rpartition("=") for way in each.travel or ())
    ]
    if ways:
        fields[prefix + "travel"] = list(ways)
    return fields


def _add_exits(fields: dict[str, Value], view: View) -> None:
    """Tell whether every door of the site sees people leave: only then does a badge tell who is inside."""
    site = fields.get("convergence.location.site")
    if "physical.portal.id" not in fields or not isinstance(site, str):
        return
    egress = view.remembered(("exits", site), lambda: _exits(view.portals_of(site)))
    if egress is not None:
        fields["convergence.location.egress"] = egress


def _exits(portals: list[Location]) -> str | None:
    if not portals:
        return None
    return "full" if all(each.exit_reader for each in portals) else "partial"


def _coverage(named: Mapping[str, object], view: View, principal: Asset) -> dict[str, Value]:
    """Name the cameras that look at a portal, and how long they keep their pictures."""
    fields: dict[str, Value] = {}
    if "physical.portal.id" in named or "physical.portal.name" in named:
        if "physical.portal.name" not in named:
            fields["physical.portal.name"] = principal.name or principal.asset_id
        cameras = view.assets_covering(principal.asset_id)
        if cameras:
            fields["convergence.camera.id"] = [camera.asset_id for camera in cameras]
            kept = [camera.retention_days for camera in cameras if camera.retention_days is not None]
            if kept:
                fields["convergence.camera.retention_days"] = min(kept)
    elif "physical.camera.id" in named:
        if "physical.camera.name" not in named:
            fields["physical.camera.name"] = principal.name or principal.asset_id
        fields["convergence.camera.id"] = [principal.asset_id]
        if principal.retention_days is not None:
            fields["convergence.camera.retention_days"] = principal.retention_days
    return fields


def _add_egress(fields: dict[str, Value], view: View) -> None:
    """Tell whether a source address is a site's own way out: then its user sits at that site."""
    address = fields.get("source.ip")
    if not isinstance(address, str):
        return
    site = view.remembered(("egress", address), lambda: view.site_of_egress(address))
    fields["convergence.source.own_egress"] = "no" if site is None else "yes"
    if site is not None:
        fields.setdefault("convergence.location_source.site", site.location_id)
