"""Tests of the clock model."""
