"""The engine while it serves: start, supervision, and the memory of images in flight."""
