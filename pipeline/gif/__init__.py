"""The GIF format as browsers read it: its blocks, and the codes of its frames as far as they go."""
