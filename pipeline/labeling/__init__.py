"""Erasure of an image from the labeling bucket."""
