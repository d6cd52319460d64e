"""What a rail allows."""
