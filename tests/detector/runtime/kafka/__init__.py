"""The runtime on Kafka, as far as it needs no broker."""
