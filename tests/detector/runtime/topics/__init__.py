"""Tests of detector.runtime.topics that need no broker."""
