"""Canaries: records of ours that go the way of all others and must come out as test alerts."""
