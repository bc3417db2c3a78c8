"""Correction of a source's clock, with uncertainty."""
