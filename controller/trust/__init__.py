"""Whom to believe: bytes, keys and dates only."""
