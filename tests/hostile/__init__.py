"""Repositories that mean harm: cheap to refuse, refused with a reason, and nothing changes."""
