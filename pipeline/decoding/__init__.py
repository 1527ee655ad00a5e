"""Decodes files to the pixels that viewers show."""
