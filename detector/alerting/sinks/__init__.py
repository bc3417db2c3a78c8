"""Where alerts go besides the engine's own store: one file a kind."""
