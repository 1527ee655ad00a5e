"""What a checkpoint is worth: figures, calibration, the paper's tables."""
