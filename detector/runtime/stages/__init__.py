"""The folds between the logs: sense, correlate, group."""
