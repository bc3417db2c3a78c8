"""One process: SQLite as raw log, state and alert store; nothing to install."""
