"""What people do to an artifact repository before a controller sees it."""
