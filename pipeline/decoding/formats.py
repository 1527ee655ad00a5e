"""Finds a file's format by its first bytes, never by a name."""

from pipeline.errors import ImageRefused, ImageUndecodable

JUDGED = ("jpeg", "png", "gif", "bmp", "webp", "tiff", "avif")
_SIGNATURES = {
    b"\xff\xd8": "jpeg",
    b"\x89PNG": "png",
    b"GIF8": "gif",
    b"BM": "bmp",
    b"RIFF": "webp",
    b"II*\0": "tiff",
    b"II+\0": "tiff",
    b"MM\0*": "tiff",
    b"MM\0+": "tiff",
}
_BRANDS = {b"avif": "avif", b"avis": "avif"}
"""of ISO base media files, where they follow the length of the first box and its type"""


def find_format(data: bytes) -> str:
    """Return the name of a format that we judge. Raises: ImageRefused for any other, ImageUndecodable if empty."""
    if not data:
        raise ImageUndecodable("the object is empty")
    if data[4:8] == b"ftyp" and data[8:12] in _BRANDS:
        return _BRANDS[data[8:12]]
    for signature, name in _SIGNATURES.items():
        if data.startswith(signature):
            return name
    raise ImageRefused(f"none of {', '.join(JUDGED)}")
