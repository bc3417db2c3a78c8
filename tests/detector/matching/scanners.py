"""The scanners that this machine has."""

from __future__ import annotations

from detector.matching.scanner import ScannerName, hyperscan

SCANNERS: list[ScannerName] = ["ahocorasick"] if hyperscan is None else ["hyperscan", "ahocorasick"]
