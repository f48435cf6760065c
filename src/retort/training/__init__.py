"""Training: the loop, its stages, their state on disk."""
