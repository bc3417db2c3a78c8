"""Kafka as a place to read from and write to: its connection, its topics, its records."""
