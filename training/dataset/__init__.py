"""Labeled sets on disk: the format, its reader, its faults, and its splits."""
