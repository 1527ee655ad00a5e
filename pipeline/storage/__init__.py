"""One S3 client with one translation of its errors, for worker and training."""
