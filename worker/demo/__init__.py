"""The demo: scenes with known truth through the whole pipeline, ending in a report."""
