"""Parts of `make bench` on a stand-in engine, or on none."""
