"""What must change in production, decided from values alone: no clock, file or database."""
