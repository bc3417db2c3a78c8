"""Personnel and account feeds."""
