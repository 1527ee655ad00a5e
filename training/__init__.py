"""Labeled cases in, promoted checkpoint out."""
