"""MagniFake: labeled images in, (I, E, B, C) tuples out."""
