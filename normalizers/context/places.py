"""Hosts, doors, cameras and controllers to assets and places."""

from __future__ import annotations

from normalizers.context.schema import Asset, Location
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


def add_places(event: EcsEvent, profile: SourceProfile, view: View) -> dict[str, Asset]:
    """Add assets and locations of the principal, the source and the destination.

    Returns:
        The assets found, by role: principal, source, destination.
    """
    fields = event.fields
    names = {
        "principal": _first_known(fields, PRINCIPAL, view),
        "source": _first_known(fields, ("source.ip", "source.address"), view),
        "destination": _first_known(
            fields, ("destination.ip", "convergence.session.target", "destination.address"), view
        ),
    }
    found = {role: asset for role, asset in names.items() if asset is not None}
    for role, suffix in (("principal", ""), ("source", "_source"), ("destination", "_destination")):
        asset = found.get(role)
        site = profile.site if role == "principal" else None
        if asset is not None or site is not None:
            fields.update(_place_fields(suffix, view, asset, site))
    principal = found.get("principal")
    if principal is not None:
        _add_coverage(fields, view, principal)
        if "ot.controller.id" in fields:
            fields.setdefault("ot.controller.name", principal.asset_id)
    _add_egress(fields, view)
    _add_exits(fields, view)
    return found


def _first_known(fields: dict[str, Value], paths: tuple[str, ...], view: View) -> Asset | None:
    for path in paths:
        value = fields.get(path)
        for name in value if isinstance(value, list) else (value,):
            if isinstance(name, str) and name:
                asset = view.asset_named(name)
                if asset is not None:
                    return asset
    return None


def _place_fields(suffix: str, view: View, asset: Asset | None, site: str | None) -> dict[str, Value]:
    """Return the fields of an asset and its place; the same for every event about it."""

    def compute() -> dict[str, Value]:
        fields = {} if asset is None else _asset_fields(f"convergence.asset{suffix}.", asset)
        return fields | _location_fields(f"convergence.location{suffix}.", view, asset, site)

    return view.remembered_place(f"{suffix}|{'' if asset is None else asset.asset_id}|{site}", compute)


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
    portals = view.portals_of(site)
    if portals:
        fields["convergence.location.egress"] = "full" if all(each.exit_reader for each in portals) else "partial"


def _add_coverage(fields: dict[str, Value], view: View, principal: Asset) -> None:
    """Name the cameras that look at a portal, and how long they keep their pictures."""
    if "physical.portal.id" in fields or "physical.portal.name" in fields:
        fields.setdefault("physical.portal.name", principal.name or principal.asset_id)
        cameras = view.assets_covering(principal.asset_id)
        if cameras:
            fields["convergence.camera.id"] = [camera.asset_id for camera in cameras]
            kept = [camera.retention_days for camera in cameras if camera.retention_days is not None]
            if kept:
                fields["convergence.camera.retention_days"] = min(kept)
    elif "physical.camera.id" in fields:
        fields.setdefault("physical.camera.name", principal.name or principal.asset_id)
        fields["convergence.camera.id"] = [principal.asset_id]
        if principal.retention_days is not None:
            fields["convergence.camera.retention_days"] = principal.retention_days


def _add_egress(fields: dict[str, Value], view: View) -> None:
    """Tell whether a source address is a site's own way out: then its user sits at that site."""
    address = fields.get("source.ip")
    if not isinstance(address, str):
        return
    site = view.site_of_egress(address)
    fields["convergence.source.own_egress"] = "no" if site is None else "yes"
    if site is not None:
        fields.setdefault("convergence.location_source.site", site.location_id)
