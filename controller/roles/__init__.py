"""Long-running roles: each is a loop around steps that commands run once."""
