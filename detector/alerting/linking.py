"""By what alerts belong together: the same person, session or asset, unless everybody shares it."""

from __future__ import annotations

from collections.abc import Mapping

from detector.alert import AlertDraft
from detector.alerting.parties import texts_at
from normalizers.event import Value

WINDOW_NS = 86_400 * 10**9
"""How far apart alerts may begin and still be linked."""

_ASSETS = ("convergence.asset", "convergence.asset_source", "convergence.asset_destination")
MAX_LINKS = 200


def links_of(draft: AlertDraft) -> frozenset[str]:
    """Return the things by which an alert is linked, such as ``person:p-1`` and ``asset:D-12``."""
    links = dict[str, None]()
    for fields in (*(step.fields for step in draft.steps), draft.fields):
        links.update(dict.fromkeys(_links(fields)))
    return frozenset(list(links)[:MAX_LINKS])


def _links(fields: Mapping[str, Value]) -> list[str]:
    links = [f"session:{each}" for each in texts_at(fields, "convergence.session.id")]
    if fields.get("convergence.person.type") != "shared":
        links += [f"person:{each}" for each in texts_at(fields, "convergence.person.id")]
    for prefix in _ASSETS:
        if fields.get(f"{prefix}.shared") is not True:
            links += [f"asset:{each}" for each in texts_at(fields, f"{prefix}.id")]
    return links
