"""Where an event happened, and how long a person needs at least from one place to another.

All of it comes from the event's own fields: context joins a place's coordinates, and what is known of ways from it, to
each event (`normalizers.context.places`), so that correlation asks nobody.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from normalizers.event import Value

EARTH_KM = 6_371.0
"""Mean radius; the earth is no sphere, by at most 0.5 % of a distance."""

NANOSECONDS_PER_HOUR = 3_600 * 10**9


class Place(msgspec.Struct, frozen=True):
    """Where an event happened.

    Attributes:
        id: What names it; its coordinates when nothing does.
        name: For readers.
        site: Site it belongs to; None when unknown.
        path: Ids from the site down to the place.
        point: Latitude and longitude in degrees; None when unknown.
        ways: Known ways as (from, to): least seconds; both ends may be anything that a place lies in.
    """

    id: str
    name: str
    site: str | None
    path: tuple[str, ...]
    point: tuple[float, float] | None
    ways: Mapping[tuple[str, str], float]


class Way(msgspec.Struct, frozen=True):
    """How long it takes at least from one place to another.

    Attributes:
        least_ns: Least time.
        distance_km: As the crow flies; None when it was not asked for.
        basis: `row`: a row of the locations table says it. `coordinates`: distance and speed. `site`: within a site.
    """

    least_ns: int
    distance_km: float | None
    basis: str


def place_fields(path: str) -> set[str]:
    """Return the fields that tell of a place named by a field."""
    root = path.rpartition(".")[0]
    leaves = ("geo", "geo.lat", "geo.lon", "location", "location.lat", "location.lon", "site", "site_name", "path")
    own = {path, f"{path}.lat", f"{path}.lon"}
    return own | {f"{root}.{leaf}" for leaf in (*leaves, "travel")} if root else own


def place_of(path: str, fields: Mapping[str, Value]) -> Place | None:
    """Return where an event happened; None when it does not say.

    Args:
        path: Field with the place's id. Beside it stand `geo` or `location` (a point as ``52.5,13.4``, as
            ``[13.4, 52.5]`` or as `lat` and `lon`), `site`, `path` and `travel`. It may be the point itself.
        fields: Flat fields of the event.
    """
    root = path.rpartition(".")[0]
    prefix = f"{root}." if root else ""
    point = _point_at(fields, path) or _point_at(fields, f"{prefix}geo") or _point_at(fields, f"{prefix}location")
    named = fields.get(path)
    place_id = str(named) if isinstance(named, str | int) and not isinstance(named, bool) else ""
    if not place_id and point is not None:
        place_id = f"{point[0]:g},{point[1]:g}"
    if not place_id:
        return None
    site = _text(fields.get(f"{prefix}site"))
    trail = _text(fields.get(f"{prefix}path")) or place_id
    return Place(
        id=place_id,
        name=_text(fields.get(f"{prefix}site_name")) or site or place_id,
        site=site,
        path=tuple(trail.split("/", _DEEPEST)),
        point=point,
        ways=_ways(fields.get(f"{prefix}travel")),
    )


def way_between(here: Place, there: Place, speed_kmh: float) -> Way | None:
    """Return how long it takes at least from one place to another; None when nothing says how far they are apart.

    A row of the locations table comes first, the most specific one; then nothing within a site; then the distance
    between their coordinates at a speed.
    """
    if here.id == there.id:
        return Way(0, None, "site")
    stated = _stated(here, there)
    if stated is not None:
        return Way(round(stated * 10**9), None, "row")
    if here.site is not None and here.site == there.site:
        return Way(0, None, "site")
    if here.point is None or there.point is None:
        return None
    distance_km = _distance_km(here.point, there.point)
    return Way(round(distance_km / speed_kmh * NANOSECONDS_PER_HOUR), distance_km, "coordinates")


def _stated(here: Place, there: Place) -> float | None:
    """Return the seconds that the row whose ends lie deepest states, in either direction."""
    depths = {end: depth for place in (here, there) for depth, end in enumerate(place.path)}
    best: tuple[int, float] | None = None
    for ends, seconds in (*here.ways.items(), *there.ways.items()):
        if _joins(ends, here, there):
            rank = depths[ends[0]] + depths[ends[1]], seconds
            best = rank if best is None else max(best, rank)
    return None if best is None else best[1]


def _joins(ends: tuple[str, str], here: Place, there: Place) -> bool:
    """Return whether a way leads from what one place lies in, and the other does not, to what the other lies in."""
    for start, end in (ends, ends[::-1]):
        if start in here.path and end in there.path and start not in there.path and end not in here.path:
            return True
    return False


def _ways(value: Value) -> dict[tuple[str, str], float]:
    """Read ways as context writes them: ``here|there|seconds``."""
    ways = dict[tuple[str, str], float]()
    for each in value if isinstance(value, list) else [value]:
        parts = str(each).split("|")
        if len(parts) == 3 and parts[2].isascii() and parts[2].isdigit():
            ways[parts[0], parts[1]] = float(parts[2][:12])
    return ways


def _distance_km(here: tuple[float, float], there: tuple[float, float]) -> float:
    """Return the length of the great circle."""
    (lat1, lon1), (lat2, lon2) = ((math.radians(lat), math.radians(lon)) for lat, lon in (here, there))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


def _point_at(fields: Mapping[str, Value], path: str) -> tuple[float, float] | None:
    value = fields.get(path)
    if isinstance(value, str) and value.count(",") == 1 and len(value) <= _LONGEST_POINT:
        return _point(*value.split(","))
    if isinstance(value, list) and len(value) == 2:
        return _point(value[1], value[0])  # GeoJSON, and so ECS, has the longitude first
    return _point(fields.get(f"{path}.lat"), fields.get(f"{path}.lon"))


def _point(latitude: Value, longitude: Value) -> tuple[float, float] | None:
    lat, lon = _number(latitude), _number(longitude)
    if lat is None or lon is None or not (-90 <= lat <= 90 and -180 <= lon <= 180):
        return None
    return lat, lon


def _number(value: Value) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) and value else None


_DEEPEST = 32
"""Places inside places; what lies deeper stays one text."""

_LONGEST_POINT = 64
"""Characters of a point written as text."""
