"""Labels from the labeling bucket to disk."""
