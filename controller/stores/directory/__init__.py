"""The directory: who can be reached where, until when, and which line of which file says so."""
