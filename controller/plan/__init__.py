"""What must change, and in which order."""
