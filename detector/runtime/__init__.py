"""The task protocol and what drives it."""
