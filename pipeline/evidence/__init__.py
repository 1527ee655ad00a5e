"""Draws the evidence card: one verdict with its evidence as a picture."""
