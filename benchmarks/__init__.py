"""What `make bench` runs: sizes, a named baseline in the same run, and honest numbers."""
