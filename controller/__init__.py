"""Countersign: signed changes in, audited production out."""

__version__ = "2026.11.0"
