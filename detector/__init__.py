"""ECS events to matches, candidates and alerts."""
