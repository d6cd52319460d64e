"""Our verification core behind somebody else's metadata: see docs/conformance.md."""
