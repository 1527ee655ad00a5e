"""Progress, resampling, provenance and parallel work, for several rooms of training."""
