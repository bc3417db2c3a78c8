"""Operating system logs."""
