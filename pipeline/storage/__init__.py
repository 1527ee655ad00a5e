"""S3 in our own errors, for worker and training."""
