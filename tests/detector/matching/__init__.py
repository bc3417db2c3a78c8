"""Tests of `detector.matching`."""
