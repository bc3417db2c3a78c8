"""Where the rules are that come with the product."""

from __future__ import annotations

from pathlib import Path


def bundled_rules() -> Path:
    """Return the folder of the bundled rules, beside the packages."""
    return Path(__file__).resolve().parents[2] / "rules"
