"""Helpers without a subject of their own: progress, resampling, provenance, spreading work."""
