"""Where desired state comes from: a branch, its history, its signatures."""
