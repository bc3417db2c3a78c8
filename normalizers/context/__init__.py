"""Identities, assets, zones, conduits, locations, schedules and approvals, joined before matching."""
