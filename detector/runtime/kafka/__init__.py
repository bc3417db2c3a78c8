"""The engine on Kafka: the same tasks, any number of workers."""
