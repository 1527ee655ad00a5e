"""TIFF files by their tags: the page that is the picture, and its pixels."""
