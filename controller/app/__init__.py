"""Composition: settings in, running objects out."""
