"""Snapshots: immutable labeled sets of the labeling bucket, named by their digests."""
