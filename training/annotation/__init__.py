"""MagniFake: labeled images in, explained and grounded images out."""
