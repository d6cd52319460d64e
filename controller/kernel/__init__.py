"""Words and laws everyone shares: standard library only, no clock, file, socket or database."""
