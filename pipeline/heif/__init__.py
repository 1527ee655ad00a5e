"""The structure of HEIF files."""
