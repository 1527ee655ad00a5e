"""JPEG XL by its reference library."""
