"""Reviews and deletions from the platform into the labeling bucket."""
