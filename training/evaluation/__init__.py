"""Metrics of a checkpoint: predictions, calibration, perturbations, comparison."""
