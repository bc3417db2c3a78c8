"""How coarse a device's stamps are."""

from __future__ import annotations

COARSEST_NS = 60_000_000_000
_CELLS = (COARSEST_NS, 1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1)
"""Cells that devices use, in ns: minutes, seconds, and the decimal parts of a second."""

_FEW = 8
"""Stamps that may all fall on a full minute by chance."""


def finer(cell_ns: int, device_time_ns: int) -> int:
    """Return the largest usual cell, no larger than the one so far, that a stamp is a multiple of."""
    return next(cell for cell in _CELLS if cell <= cell_ns and device_time_ns % cell == 0)


def believable(cell_ns: int, stamps: int) -> int:
    """Return the cell to reckon with after so many stamps: at most a second while they are few."""
    return cell_ns if stamps >= _FEW else min(cell_ns, _CELLS[1])
