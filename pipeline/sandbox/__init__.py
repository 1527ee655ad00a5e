"""Decoding of untrusted images in processes of their own, for worker and training."""
