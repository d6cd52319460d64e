"""What is applied, who may write, and what was seen: the controller's own state."""
