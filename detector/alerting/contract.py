"""What subscribers may rely on: an alert as a topic's record, its value as `docs/reference/alert.schema.json` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from detector.alert import Alert

SCHEMA_VERSION = "1"
"""Fields may be added to a version; what removes one or changes its meaning is another version, in another topic."""

_json = msgspec.json.Encoder()


class Facets(msgspec.Struct, frozen=True):
    """What subscribers choose alerts by.

    Attributes:
        severity: Level of the rule, such as ``critical``.
        domains: Those the rule is of, then those of the events.
        sites: In order of appearance.
    """

    severity: str
    domains: tuple[str, ...]
    sites: tuple[str, ...]


def facets_of(document: Mapping[str, Any]) -> Facets:
    """Return the facets of an alert document."""
    convergence = document["convergence"]
    parties: Mapping[str, Sequence[str]] = convergence["parties"]
    of_rule = (tag.removeprefix("domain:") for tag in document["tags"] if tag.startswith("domain:"))
    return Facets(
        convergence["alert"]["level"],
        tuple(dict.fromkeys((*of_rule, *parties.get("domains", ())))),
        tuple(parties.get("sites", ())),
    )


def is_test(document: Mapping[str, Any]) -> bool:
    """Tell whether an alert is a canary's, about which nobody has to do anything."""
    return document["convergence"]["alert"].get("test") is True


def alert_value(alert: Alert) -> bytes:
    """Write the document as JSON; the record's key is the alert's id."""
    return _json.encode(alert.document)


def alert_headers(alert: Alert) -> list[tuple[str, bytes]]:
    """Write what a subscriber may want to know before it parses the document; lists are joined by commas."""
    facets = facets_of(alert.document)
    hashed = alert.id.rpartition("-")[2]
    headers = {
        "content-type": "application/json",
        "schema-version": SCHEMA_VERSION,
        "revision": str(alert.revision),
        "severity": facets.severity,
        "rule-id": str(alert.document["rule"]["uuid"]),
        "domain": ",".join(facets.domains),
        "site": ",".join(facets.sites),
        # The alert's own id is its trace: every revision, and whoever handles it, can be found under it.
        "traceparent": f"00-{hashed}-{hashed[:16]}-01",
    }
    if is_test(alert.document):
        headers["test"] = "true"
    return [(name, value.encode()) for name, value in headers.items()]
