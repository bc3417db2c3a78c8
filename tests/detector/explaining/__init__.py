"""Tests of `detector.explaining`."""
