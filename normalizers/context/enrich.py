"""Joins context to an event: people, assets, places, zones, schedules and approvals."""

from __future__ import annotations

from normalizers.context.clocksteps import add_explanation
from normalizers.context.network import add_verdict
from normalizers.context.people import add_people
from normalizers.context.permission import add_approval, add_schedule
from normalizers.context.places import add_places
from normalizers.context.store import ContextStore
from normalizers.event import EcsEvent
from normalizers.source import SourceProfile


class Enricher:
    """Adds `convergence.*` fields; says `unknown` where nothing is known.

    Args:
        store: Context tables.
    """

    def __init__(self, store: ContextStore) -> None:
        self._store = store

    def enrich(self, event: EcsEvent, profile: SourceProfile, known_ns: int | None = None) -> None:
        """Add context to an event in place.

        Args:
            event: Corrected; its fields are extended.
            profile: Settings of its source.
            known_ns: Rows learned later are not used; default when the record was received.
        """
        view = self._store.view(event.received_ns if known_ns is None else known_ns, event.time_ns)
        add_people(event, profile, view)
        places = add_places(event, profile, view)
        add_verdict(event, places.source.end, places.destination.end, view)
        add_schedule(event, view)
        add_approval(event, places.destination.asset or places.principal.asset, view)
        add_explanation(event, view)
