"""Doors to the outside world: one third-party library each, no decisions."""
