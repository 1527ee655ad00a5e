"""Parts of `make bench` on real engines."""
