"""Tests of connectors.kafka that need no broker."""
