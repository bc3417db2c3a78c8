"""Network sensors and generic formats."""
