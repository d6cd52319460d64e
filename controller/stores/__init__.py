"""Production state: rooms that own tables and never import each other."""
