"""Validation of new weights: predictions as served, a paired decision, and its outcome."""
