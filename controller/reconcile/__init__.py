"""One pass of the controller."""
