"""Evaluating detection rules on one event."""
