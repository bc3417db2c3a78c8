"""Raw records to ECS events: one log source a file, then clock and context."""
