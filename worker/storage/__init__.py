"""Images from S3, and label cases into the labeling bucket."""
