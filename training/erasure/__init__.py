"""Forgetting an image everywhere: labeling bucket, Label Studio, sets on disk."""
