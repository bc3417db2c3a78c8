"""Where people are, as far as doors and consoles tell."""
