"""Alerts, events and templates on a real Elasticsearch."""
