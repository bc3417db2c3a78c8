"""Order, windows and one file a correlation type."""
