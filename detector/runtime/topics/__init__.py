"""The topics of the engine on Kafka: what they are called, how they must be, who may do what to them."""
