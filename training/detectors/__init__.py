"""Answers of other detectors, for the same tables as ours."""
