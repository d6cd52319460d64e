"""Commands for people and for CI."""
