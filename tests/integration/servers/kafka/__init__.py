"""A Kafka broker as a plain process."""
