"""Zones of both ends of a flow, and what the conduits say of it."""

from __future__ import annotations

from normalizers.context.schema import Asset, Conduit, Zone
from normalizers.context.store import View
from normalizers.event import EcsEvent, Value


def zone_of(address: Value, asset: Asset | None, view: View) -> Zone | None:
    """Return the zone of an asset, else of an address or the first of several."""
    if asset is not None and asset.zone is not None:
        return view.zone(asset.zone)
    if isinstance(address, list):
        address = address[0] if address else None
    return view.zone_of_address(address) if isinstance(address, str) else None


def zone_fields(end: str, zone: Zone | None) -> dict[str, Value]:
    """Return the fields of the zone of an end."""
    if zone is None:
        return {}
    fields: dict[str, Value] = {f"convergence.zone.{end}": zone.zone_id}
    if zone.zone_class is not None:
        fields[f"convergence.zone.{end}_class"] = zone.zone_class
    return fields


End = tuple[Zone | None, Asset | None]


def add_verdict(event: EcsEvent, source: End, destination: End, view: View) -> None:
    """Add what the conduits say of a flow."""
    fields = event.fields
    category = fields.get("event.category")
    if "source.ip" not in fields or "destination.ip" not in fields:
        return
    if not isinstance(category, list) or "network" not in category:
        return
    if source[0] is None or destination[0] is None:
        fields["convergence.conduit.verdict"] = "unknown"
        return
    best = next((conduit for conduit in _between(source, destination, view) if _carries(conduit, fields)), None)
    if best is None:
        fields["convergence.conduit.verdict"] = "unlisted"
        return
    fields["convergence.conduit.id"] = best.conduit_id
    fields["convergence.conduit.verdict"] = best.verdict or "unknown"
    if best.exception_id:
        fields["convergence.conduit.exception_id"] = best.exception_id


def _between(source: End, destination: End, view: View) -> list[Conduit]:
    """Return the conduits whose ends name both ends of a flow, the narrowest first."""

    def compute() -> list[Conduit]:
        ranked = list[tuple[int, int, str, Conduit]]()
        for conduit in view.conduits():
            ends = (_specificity(conduit.source, source), _specificity(conduit.destination, destination))
            if ends[0] is not None and ends[1] is not None:
                narrow = sum(bool(each) for each in (conduit.ports, conduit.protocols, conduit.function_classes))
                ranked.append((ends[0] + ends[1], narrow, conduit.conduit_id, conduit))
        return [conduit for _, _, _, conduit in sorted(ranked, key=lambda each: each[:3], reverse=True)]

    return view.remembered(("between", *_names(source), *_names(destination)), compute)


def _names(end: End) -> tuple[str | None, str | None]:
    zone, asset = end
    return zone.zone_id if zone is not None else None, asset.asset_id if asset is not None else None


def _specificity(pattern: str | None, end: End) -> int | None:
    """Return how narrowly a conduit's end names an end of the flow; None when it does not."""
    zone, asset = end
    if pattern is None or pattern == "*":
        return 0
    kind, colon, name = pattern.partition(":")
    if colon and kind == "asset":
        return 3 if asset is not None and asset.asset_id == name else None
    if colon and kind == "role":
        return 2 if asset is not None and asset.role == name else None
    return 1 if zone is not None and zone.zone_id == pattern else None


def _carries(conduit: Conduit, fields: dict[str, Value]) -> bool:
    port = fields.get("destination.port")
    return (
        (not conduit.transport or fields.get("network.transport") in conduit.transport)
        and (not conduit.ports or any(_in_ports(port, each) for each in conduit.ports))
        and (not conduit.protocols or fields.get("network.protocol") in conduit.protocols)
        and (not conduit.function_classes or fields.get("ot.function.class") in conduit.function_classes)
    )


def _in_ports(port: Value, text: str) -> bool:
    low, dash, high = text.partition("-")
    return isinstance(port, int) and int(low) <= port <= int(high if dash else low)
