"""A bundled small plant and one day of its life, played through the engine's own listeners."""
